/* What an edit of a PAM stack changes, over all results of its modules. */
#include "tests/unit/tools/tmoutctl/put_module.h"

#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/pam/proof.h"
#include "tools/tmoutctl/pam/run.h"

#include <stdlib.h>

#define OURS "auth requisite pam_tmout.so"
#define SSHD "/etc/pam.d/sshd"
#define DEBIAN                                                                                     \
    "auth [success=1 default=ignore] pam_unix.so nullok\n"                                         \
    "auth requisite pam_deny.so\n"                                                                 \
    "auth required pam_permit.so\n"
#define RHEL                                                                                       \
    "auth required pam_env.so\n"                                                                   \
    "auth required pam_faildelay.so delay=2000000\n"                                               \
    "auth required pam_faillock.so preauth silent\n"                                               \
    "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\n"                        \
    "auth [default=1 ignore=ignore success=ok] pam_localuser.so\n"                                 \
    "auth sufficient pam_unix.so nullok\n"                                                         \
    "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\n"                        \
    "auth sufficient pam_sss.so forward_pass\n"                                                    \
    "auth required pam_faillock.so authfail\n"                                                     \
    "auth required pam_deny.so\n"

/* A change of one line: it is replaced, or text is inserted before it. */
struct change {
    enum edit_kind kind;
    unsigned line;
    const char *text;
};

enum { CHANGES = 3 };

struct proof_case {
    const char *what, *before;
    struct change change[CHANGES];
    const char *flaws; /* their letters, in the order of the enum */
};

static const char letters[] = "radslbunekpmot";

static void find_flaws(const char *root, const char *type, const struct proof_case *the_case,
                       struct pam_answer *answer)
{
    struct edits edits = {0};
    const struct host before = {.root = root}, after = {.root = root, .edits = &edits};
    struct pam_stack stack_before, stack_after;
    char file[] = SSHD;

    put(root, SSHD, the_case->before);
    for (size_t i = 0; i < CHANGES && the_case->change[i].text != NULL; i++) {
        const struct change *change = &the_case->change[i];
        assert_int_equal(edits_add(&edits, &(struct edit){change->kind, file, change->line,
                                                          (char *)(uintptr_t)change->text}),
                         0);
    }
    assert_int_equal(pam_stack_read(&before, "sshd", type, &stack_before), PAM_STACK_OK);
    assert_int_equal(pam_stack_read(&after, "sshd", type, &stack_after), PAM_STACK_OK);
    assert_int_equal(pam_prove(&(struct pam_question){.before = &stack_before,
                                                      .after = &stack_after,
                                                      .is_session = strcmp(type, "session") == 0},
                               answer),
                     PAM_PROOF_DONE);
    pam_stack_free(&stack_after);
    pam_stack_free(&stack_before);
    edits_free(&edits);
}

static void assert_flaws(const char *root, const char *type, const struct proof_case *cases,
                         size_t count)
{
    size_t wrong = 0;

    for (size_t i = 0; i < count; i++) {
        struct pam_answer answer;
        char found[PAM_FLAWS + 1] = "";
        find_flaws(root, type, &cases[i], &answer);
        for (size_t flaw = 0, used = 0; flaw < PAM_FLAWS; flaw++)
            if (answer.flaw[flaw].found)
                found[used++] = letters[flaw];
        if (strcmp(found, cases[i].flaws) == 0)
            continue;
        fprintf(stderr, "%s: flaws \"%s\", not \"%s\"\n", cases[i].what, found, cases[i].flaws);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void edits_of_auth(void **state)
{
    static const struct proof_case cases[] = {
        {"before the password", DEBIAN, {{EDIT_INSERT, 1, OURS}}, ""},
        {"nothing is there", DEBIAN, {{0}}, "u"},
        {"after the password", DEBIAN, {{EDIT_INSERT, 2, OURS}}, "rsue"},
        {"after it, where the jump leads to", DEBIAN, {{EDIT_INSERT, 3, OURS}}, "ue"},
        {"after it, with the count corrected",
         DEBIAN,
         {{EDIT_INSERT, 2, OURS},
          {EDIT_REPLACE, 1, "auth [success=2 default=ignore] pam_unix.so nullok"}},
         "ue"},
        {"not final", DEBIAN, {{EDIT_INSERT, 1, "auth required pam_tmout.so"}}, "n"},
        {"not final for one of the errors",
         DEBIAN,
         {{EDIT_INSERT, 1, "auth [auth_err=die ignore=ignore] pam_tmout.so"}},
         "n"},
        {"optional", DEBIAN, {{EDIT_INSERT, 1, "auth optional pam_tmout.so"}}, "n"},
        {"with a jump of its own, which does no harm",
         DEBIAN,
         {{EDIT_INSERT, 1, "auth [ignore=ignore success=1 default=die] pam_tmout.so"}},
         ""},
        {"ignored results that jump over the check",
         DEBIAN,
         {{EDIT_INSERT, 1, "auth [ignore=1 default=die] pam_tmout.so"}},
         "rse"},
        {"twice", DEBIAN, {{EDIT_INSERT, 1, OURS "\n" OURS}}, "t"},
        {"a jump over the check, and ours between",
         "auth [success=1 default=ignore] pam_succeed_if.so uid < 1000\n"
         "auth sufficient pam_unix.so\n"
         "auth required pam_deny.so\n",
         {{EDIT_INSERT, 2, OURS}},
         "adsu"},
        {"RHEL, before faillock and the conditions", RHEL, {{EDIT_INSERT, 1, OURS}}, ""},
        {"RHEL, behind faillock", RHEL, {{EDIT_INSERT, 4, OURS}}, ""},
        {"RHEL, skipped for users of a directory", RHEL, {{EDIT_INSERT, 6, OURS}}, "rasu"},
    };

    assert_flaws(*state, "auth", cases, COUNT_OF(cases));
}

/* Moving a line must not take a check from behind it. */
static void checks_that_are_no_longer_counted(void **state)
{
    static const struct proof_case cases[] = {
        {"the line goes, where some ways led around it",
         "auth [success=1 default=ignore] pam_localuser.so\n" OURS "\n"
         "auth sufficient pam_unix.so\n",
         {{EDIT_DELETE, 2, ""}, {EDIT_REPLACE, 1, "auth [default=ignore] pam_localuser.so"}},
         "slu"},
        {"behind the first of two checks",
         OURS "\nauth sufficient pam_krb5.so\nauth required pam_unix.so try_first_pass\n",
         {{EDIT_DELETE, 1, ""}, {EDIT_INSERT, 3, OURS}},
         "lu"},
        {"to where it belongs",
         "auth sufficient pam_unix.so\n" OURS "\nauth sufficient pam_ldap.so\n",
         {{EDIT_DELETE, 2, ""}, {EDIT_INSERT, 1, OURS}},
         ""},
    };

    assert_flaws(*state, "auth", cases, COUNT_OF(cases));
}

/* The edit must do no harm as long as a module is missing, nor once it is there. */
static void modules_that_are_absent(void **state)
{
    static const struct proof_case cases[] = {
        {"the only one that checks passwords",
         "auth sufficient pam_ldap.so\n",
         {{EDIT_INSERT, 1, OURS}},
         "d"},
        {"one of two", "auth sufficient pam_ldap.so\n" DEBIAN, {{EDIT_INSERT, 1, OURS}}, ""},
        {"a path that depends on libpam",
         "auth sufficient /lib/security/$ISA/pam_unix.so\n",
         {{EDIT_INSERT, 1, OURS}},
         "d"},
        {"ours by another path, which kept everybody out",
         "auth requisite /opt/pam_tmout.so\n" DEBIAN,
         {{EDIT_REPLACE, 1, OURS}},
         "ads"},
        {"a new line of ours that is not there",
         DEBIAN,
         {{EDIT_INSERT, 1, "auth requisite x/pam_tmout.so"}},
         "rs"},
    };
    static const char *const installed[] = {"permit", "deny", "unix", "tmout"};

    for (size_t i = 0; i < COUNT_OF(installed); i++)
        put_module(*state, installed[i]);
    assert_flaws(*state, "auth", cases, COUNT_OF(cases));
}

static void who_asks(void **state)
{
    static const struct proof_case cases[] = {
        {"before a key that needs no password",
         "auth sufficient pam_ssh_agent_auth.so\n" DEBIAN,
         {{EDIT_INSERT, 1, OURS}},
         "dek"},
        {"behind it",
         "auth sufficient pam_ssh_agent_auth.so\n" DEBIAN,
         {{EDIT_INSERT, 2, OURS}},
         ""},
        {"before root needs none",
         "auth sufficient pam_rootok.so\n" DEBIAN,
         {{EDIT_INSERT, 1, OURS}},
         "dek"},
        {"before it, without a prompt",
         "auth sufficient pam_rootok.so\n" DEBIAN,
         {{EDIT_INSERT, 1, OURS " noprompt"}},
         "ek"},
        {"only a code",
         "auth required pam_google_authenticator.so nullok\n",
         {{EDIT_INSERT, 1, OURS}},
         "dp"},
        {"only a code, without a prompt",
         "auth required pam_google_authenticator.so nullok\n",
         {{EDIT_INSERT, 1, OURS " noprompt"}},
         ""},
        {"a password module that asks itself",
         "auth required pam_krb5.so\n",
         {{EDIT_INSERT, 1, OURS}},
         "dp"},
        {"without a prompt",
         "auth required pam_krb5.so\n",
         {{EDIT_INSERT, 1, OURS " noprompt"}},
         ""},
        {"one that takes what was asked",
         "auth required pam_krb5.so try_first_pass\n",
         {{EDIT_INSERT, 1, OURS}},
         ""},
        {"one that fails unless something was asked",
         "auth required pam_unix.so use_first_pass\n",
         {{EDIT_INSERT, 1, OURS}},
         "ad"},
        {"one that returns something else once something was asked",
         "auth [auth_err=ignore success=ok default=die] pam_unix.so use_first_pass\n"
         "auth sufficient pam_exec.so\n",
         {{EDIT_INSERT, 1, OURS}},
         "rad"},
        {"between a code and a password",
         "auth required pam_oath.so\nauth required pam_unix.so\n",
         {{EDIT_INSERT, 2, OURS}},
         ""},
        {"a code that contains the password, forwarded",
         "auth required pam_google_authenticator.so forward_pass\n"
         "auth required pam_unix.so use_first_pass\n",
         {{EDIT_INSERT, 2, OURS}},
         ""},
        {"before that code",
         "auth required pam_google_authenticator.so forward_pass\n"
         "auth required pam_unix.so use_first_pass\n",
         {{EDIT_INSERT, 1, OURS}},
         "d"},
        {"a refusal before anybody asks",
         "auth requisite pam_nologin.so\n" DEBIAN,
         {{EDIT_INSERT, 1, OURS}},
         "de"},
        {"a finger, then a password",
         "auth [success=done default=ignore] pam_fprintd.so\n" DEBIAN,
         {{EDIT_INSERT, 2, OURS}},
         ""},
    };

    assert_flaws(*state, "auth", cases, COUNT_OF(cases));
}

#define SESSION "session optional pam_tmout.so"
#define COMMON                                                                                     \
    "session [default=1] pam_permit.so\nsession requisite pam_deny.so\n"                           \
    "session required pam_permit.so\nsession optional pam_systemd.so\n"
#define READENV "session required pam_env.so user_readenv=1\n"

static void edits_of_session(void **state)
{
    static const struct proof_case cases[] = {
        {"at the end", COMMON, {{EDIT_INSERT, EDIT_END, SESSION}}, ""},
        {"nothing is there", COMMON, {{0}}, "m"},
        {"required", COMMON, {{EDIT_INSERT, 4, "session required pam_tmout.so"}}, "rs"},
        {"between a jump and its target", COMMON, {{EDIT_INSERT, 2, SESSION}}, "rs"},
        {"where everything else may be ignored",
         "session optional pam_mail.so\n",
         {{EDIT_INSERT, EDIT_END, SESSION}},
         "as"},
        {"there, without a say",
         "session optional pam_mail.so\n",
         {{EDIT_INSERT, EDIT_END, "session [default=ignore] pam_tmout.so"}},
         ""},
        {"before the user's environment", COMMON READENV, {{EDIT_INSERT, 5, SESSION}}, "o"},
        {"behind it", READENV COMMON, {{EDIT_INSERT, 2, SESSION}}, ""},
        {"before and behind it",
         COMMON READENV,
         {{EDIT_INSERT, 5, SESSION}, {EDIT_INSERT, EDIT_END, SESSION}},
         ""},
        {"twice", COMMON, {{EDIT_INSERT, 4, SESSION "\n" SESSION}}, "t"},
        {"behind a line that ends the stack",
         COMMON "session sufficient pam_exec.so\n",
         {{EDIT_INSERT, EDIT_END, SESSION}},
         "m"},
    };

    assert_flaws(*state, "session", cases, COUNT_OF(cases));
}

/* The lines that a finding names. */
static void examples_name_lines(void **state)
{
    static const struct proof_case around = {
        "",
        "auth [success=2 default=ignore] pam_localuser.so\n" OURS "\n"
        "auth optional pam_exec.so\nauth required pam_unix.so\n",
        {{0}},
        ""};
    static const struct proof_case past = {
        "",
        OURS "\nauth [success=2 default=ignore] pam_unix.so\nauth required pam_deny.so\n",
        {{0}},
        ""};
    struct pam_answer answer;

    find_flaws(*state, "auth", &around, &answer);
    assert_true(answer.flaw[PAM_FLAW_UNCOUNTED].found);
    assert_int_equal(answer.flaw[PAM_FLAW_UNCOUNTED].line, 3);
    assert_int_equal(answer.flaw[PAM_FLAW_UNCOUNTED].by, 0);
    find_flaws(*state, "auth", &past, &answer);
    assert_true(answer.flaw[PAM_FLAW_BAD_JUMP].found);
    assert_int_equal(answer.flaw[PAM_FLAW_BAD_JUMP].line, 1);
}

/* --- against brute force ------------------------------------------------- */

enum { RANDOM_STACKS = 150, RANDOM_LINES = 5 };

/* One of each class that the random controls tell apart. */
static const int results[] = {PAM_SUCCESS, PAM_IGNORE, PAM_AUTH_ERR, PAM_USER_UNKNOWN,
                              PAM_NEW_AUTHTOK_REQD};
enum { RESULTS = COUNT_OF(results), COMBINATIONS = 5 * 5 * 5 * 5 * 5 };

static const char *any_of(unsigned *seed, const char *const *words, size_t count)
{
    return words[(unsigned)rand_r(seed) / 7 % count];
}

static void random_stack(unsigned *seed, char *text, size_t size)
{
    static const char *const controls[] = {"required",
                                           "requisite",
                                           "sufficient",
                                           "optional",
                                           "[success=1 default=ignore]",
                                           "[success=2 auth_err=die default=bad]",
                                           "[ignore=ok success=ok default=1]",
                                           "[success=done ignore=reset auth_err=2 default=ignore]"};
    size_t used = 0;

    for (int i = 0; i < RANDOM_LINES; i++)
        used += (size_t)snprintf(text + used, size - used, "auth %s pam_%d.so\n",
                                 any_of(seed, controls, COUNT_OF(controls)), i);
}

/* Does the stack succeed if its lines return these, and ours PAM_IGNORE? */
static bool succeeds(const struct pam_stack *stack, const int result[RANDOM_LINES])
{
    struct pam_run run;

    for (pam_run_start(stack, &run); run.at < stack->count;) {
        const struct pam_line *line = &stack->line[run.at];
        const bool is_ours = pam_line_is(line, "pam_tmout.so");
        const int got = is_ours ? PAM_IGNORE : result[line->module[4] - '0'];
        pam_run_return(stack, &run, PAM_CALL_FIRST, got, got);
    }
    return pam_run_status(stack, &run) == PAM_SUCCESS;
}

/* Is there a combination of results that is refused only after, or only before? */
static void try_all(const struct pam_stack *before, const struct pam_stack *after, bool *refuses,
                    bool *admits)
{
    *refuses = *admits = false;
    for (int i = 0; i < COMBINATIONS; i++) {
        int result[RANDOM_LINES];
        for (int k = 0, rest = i; k < RANDOM_LINES; k++, rest /= RESULTS)
            result[k] = results[rest % RESULTS];
        const bool was = succeeds(before, result), is = succeeds(after, result);
        *refuses = *refuses || (was && !is);
        *admits = *admits || (is && !was);
    }
}

static void finds_what_brute_force_finds(void **state)
{
    const struct host host = {.root = *state};
    const unsigned stacks = is_slow() ? RANDOM_STACKS / 10 : RANDOM_STACKS;
    unsigned seed = 1, flawed = 0;

    for (unsigned i = 0; i < stacks; i++) {
        struct edits edits = {0};
        const struct host edited = {.root = *state, .edits = &edits};
        const unsigned line = 1 + (unsigned)rand_r(&seed) / 7 % RANDOM_LINES;
        char text[512], file[] = SSHD, ours[] = OURS;
        struct pam_stack before, after;
        struct pam_answer answer;
        bool refuses, admits;

        random_stack(&seed, text, sizeof text);
        put(*state, SSHD, text);
        assert_int_equal(edits_add(&edits, &(struct edit){EDIT_INSERT, file, line, ours}), 0);
        assert_int_equal(pam_stack_read(&host, "sshd", "auth", &before), PAM_STACK_OK);
        assert_int_equal(pam_stack_read(&edited, "sshd", "auth", &after), PAM_STACK_OK);
        try_all(&before, &after, &refuses, &admits);
        assert_int_equal(
            pam_prove(&(struct pam_question){.before = &before, .after = &after}, &answer),
            PAM_PROOF_DONE);
        if (answer.flaw[PAM_FLAW_REFUSES].found != refuses ||
            answer.flaw[PAM_FLAW_ADMITS].found != admits)
            fail_msg("line %u of\n%srefuses %d, admits %d", line, text, refuses, admits);
        flawed += refuses || admits;
        pam_stack_free(&after);
        pam_stack_free(&before);
        edits_free(&edits);
    }
    assert_in_range(flawed, stacks / 10, stacks * 9 / 10);
}

/* What is known of a kind of user narrows down what can happen. */
static void kinds_of_users(void **state)
{
    struct pam_user user = {.uids = {999, 1000}};
    const struct host host = {.root = *state};
    struct pam_stack stack;
    struct pam_answer answer;
    const struct pam_question question = {.before = &stack, .after = &stack, .user = &user};

    put(*state, SSHD,
        "auth [success=ok default=1] pam_localuser.so\n" OURS "\nauth required pam_unix.so\n");
    assert_int_equal(pam_stack_read(&host, "sshd", "auth", &stack), PAM_STACK_OK);
    for (user.kind = 0; user.kind < PAM_USER_KINDS; user.kind++) {
        assert_int_equal(pam_prove(&question, &answer), PAM_PROOF_DONE);
        assert_int_equal(answer.flaw[PAM_FLAW_UNCOUNTED].found, user.kind == PAM_USERS_DIRECTORY);
    }
    pam_stack_free(&stack);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(edits_of_auth),           WITH_DIRECTORY(checks_that_are_no_longer_counted),
        WITH_DIRECTORY(modules_that_are_absent), WITH_DIRECTORY(who_asks),
        WITH_DIRECTORY(edits_of_session),        WITH_DIRECTORY(examples_name_lines),
        WITH_DIRECTORY(kinds_of_users),          WITH_DIRECTORY(finds_what_brute_force_finds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

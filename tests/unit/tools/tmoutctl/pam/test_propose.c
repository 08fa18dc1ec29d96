/* The edits that are offered for a host's PAM files, and where none is. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/pam/propose.h"

#include <stdlib.h>

#define OURS    "auth       requisite    pam_tmout.so\n"
#define SESSION "session    optional     pam_tmout.so\n"
/* Around what pam-auth-update writes. */
#define BEGIN "# here are the per-package modules (the \"Primary\" block)\n"
#define END   "# end of pam-auth-update config\n"

enum { FILES = 4 };

struct offer_case {
    const char *what;
    enum pam_type type;
    const char *file[FILES][2]; /* a path and its text; the first is the service's */
    const char *edited;         /* a path and its text with the edits */
    const char *text;           /* or NULL: nothing is offered */
    const char *why;            /* then a part of the reason */
};

static void put_files(const char *root, const struct offer_case *the_case)
{
    for (size_t i = 0; i < FILES && the_case->file[i][0] != NULL; i++)
        put(root, the_case->file[i][0], the_case->file[i][1]);
}

static void remove_files(const char *root, const struct offer_case *the_case)
{
    for (size_t i = 0; i < FILES && the_case->file[i][0] != NULL; i++) {
        char *path = path_in(root, the_case->file[i][0] + 1);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
}

/* Prints what is wrong, and returns whether anything is. */
static bool is_wrong(const struct offer_case *the_case, const struct pam_services *services,
                     enum pam_offer offer, const struct failure *why)
{
    struct text_file file = {0};
    bool wrong = offer != (the_case->text != NULL ? PAM_OFFERED : PAM_NOT_OFFERED);

    if (the_case->text == NULL) {
        wrong = wrong || strstr(why->text, the_case->why) == NULL;
    } else {
        assert_int_equal(
            host_read_text(&services->host, the_case->edited, 0, TEXT_FILE_SIZE_MAX, &file), 0);
        wrong = wrong || strcmp(file.text, the_case->text) != 0;
    }
    if (wrong)
        fprintf(stderr, "--- %s: offer %d, \"%s\"\n%s", the_case->what, offer, why->text,
                file.text != NULL ? file.text : "");
    free(file.text);
    return wrong;
}

static bool try_case(const char *root, const struct offer_case *the_case)
{
    const struct host host = {.root = root};
    const char *service = strrchr(the_case->file[0][0], '/') + 1;
    struct pam_services services;
    struct failure why = {""};
    size_t first;

    put_files(root, the_case);
    assert_int_equal(pam_services_read(&host, &services), 0);
    const enum pam_offer offer = pam_propose(&services, service, the_case->type, &first, &why);
    const bool wrong = is_wrong(the_case, &services, offer, &why);
    pam_services_free(&services);
    remove_files(root, the_case);
    return wrong;
}

static void assert_offers(const char *root, const struct offer_case *cases, size_t count)
{
    size_t wrong = 0;

    for (size_t i = 0; i < count; i++)
        wrong += try_case(root, &cases[i]);
    assert_int_equal(wrong, 0);
}

#define D(name)     "/etc/pam.d/" name
#define SSHD        D("sshd")
#define COMMON      D("common-auth")
#define UNIX        "auth\t[success=1 default=ignore]\tpam_unix.so nullok\n"
#define DENY_PERMIT "auth\trequisite\tpam_deny.so\nauth\trequired\tpam_permit.so\n"
#define DEBIAN      UNIX DENY_PERMIT

static void auth_lines(void **state)
{
    static const struct offer_case cases[] = {
        {"missing",
         PAM_TYPE_AUTH,
         {{SSHD, "# sshd\n@include common-auth\naccount required pam_nologin.so\n"},
          {COMMON, BEGIN DEBIAN END}},
         SSHD,
         "# sshd\n" OURS "@include common-auth\naccount required pam_nologin.so\n",
         NULL},
        {"behind the jump, in a file that others share",
         PAM_TYPE_AUTH,
         {{SSHD, "@include common-auth\n"},
          {D("su"), "auth sufficient pam_rootok.so\n@include common-auth\n"},
          {COMMON, "auth\t[success=2 default=ignore]\tpam_unix.so nullok\n"
                   "auth\trequisite\tpam_tmout.so\n" DENY_PERMIT}},
         COMMON,
         OURS DEBIAN,
         NULL},
        {"the same, in a generated file",
         PAM_TYPE_AUTH,
         {{SSHD, "@include common-auth\n"},
          {COMMON, BEGIN "auth\t[success=2 default=ignore]\tpam_unix.so nullok\n"
                         "auth\trequisite\tpam_tmout.so\n" DENY_PERMIT END}},
         NULL,
         NULL,
         "/etc/pam.d/common-auth is written by pam-auth-update: run pam-auth-update"},
        {"only a code",
         PAM_TYPE_AUTH,
         {{SSHD, "auth required pam_google_authenticator.so nullok\n"
                 "account required pam_nologin.so\n"}},
         SSHD,
         "auth       requisite    pam_tmout.so noprompt\n"
         "auth required pam_google_authenticator.so nullok\n"
         "account required pam_nologin.so\n",
         NULL},
        {"a prompt that nobody checks",
         PAM_TYPE_AUTH,
         {{SSHD, "auth requisite pam_tmout.so tell # ours\nauth required pam_oath.so\n"}},
         SSHD,
         "auth requisite pam_tmout.so tell noprompt # ours\nauth required pam_oath.so\n",
         NULL},
        {"a control that is not final",
         PAM_TYPE_AUTH,
         {{SSHD, "auth  required\tpam_tmout.so debug\nauth required pam_unix.so\n"}},
         SSHD,
         "auth  requisite\tpam_tmout.so debug\nauth required pam_unix.so\n",
         NULL},
        {"twice",
         PAM_TYPE_AUTH,
         {{SSHD, OURS OURS "auth required pam_unix.so\n"}},
         SSHD,
         OURS "auth required pam_unix.so\n",
         NULL},
        {"twice, and neither is final",
         PAM_TYPE_AUTH,
         {{SSHD, "auth required pam_tmout.so tell\nauth optional pam_tmout.so\n"
                 "auth required pam_unix.so\n"}},
         SSHD,
         "auth       requisite    pam_tmout.so tell\nauth required pam_unix.so\n",
         NULL},
        {"after the password",
         PAM_TYPE_AUTH,
         {{SSHD, "auth required pam_unix.so\nauth requisite pam_tmout.so\n"}},
         SSHD,
         OURS "auth required pam_unix.so\n",
         NULL},
        {"behind keys that need no password",
         PAM_TYPE_AUTH,
         {{D("sudo"),
           "auth sufficient pam_ssh_agent_auth.so file=/etc/keys\n@include common-auth\n"},
          {COMMON, DEBIAN}},
         D("sudo"),
         "auth sufficient pam_ssh_agent_auth.so file=/etc/keys\n" OURS "@include common-auth\n",
         NULL},
        {"before a line that lets root in",
         PAM_TYPE_AUTH,
         {{D("su"), OURS "auth sufficient pam_rootok.so\nauth required pam_unix.so\n"}},
         D("su"),
         "auth sufficient pam_rootok.so\n" OURS "auth required pam_unix.so\n",
         NULL},
        {"between a jump and its target",
         PAM_TYPE_AUTH,
         {{SSHD, "auth [success=2 default=ignore] pam_ssh_agent_auth.so\n"
                 "auth [success=1 default=ignore] pam_unix.so\n"
                 "auth requisite pam_deny.so\nauth required pam_permit.so\n"}},
         SSHD,
         "auth [success=3 default=ignore] pam_ssh_agent_auth.so\n" OURS
         "auth [success=1 default=ignore] pam_unix.so\n"
         "auth requisite pam_deny.so\nauth required pam_permit.so\n",
         NULL},
        {"RHEL: around the substack that authselect writes",
         PAM_TYPE_AUTH,
         {{SSHD, "auth       substack     password-auth\nauth       include      postlogin\n"},
          {D("password-auth"),
           "# Generated by authselect\n"
           "auth required pam_env.so\n"
           "auth required pam_faillock.so preauth silent\n"
           "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\n"
           "auth [default=1 ignore=ignore success=ok] pam_localuser.so\n"
           "auth sufficient pam_unix.so nullok\n"
           "auth [default=1 ignore=ignore success=ok] pam_usertype.so isregular\n"
           "auth sufficient pam_sss.so forward_pass\n"
           "auth required pam_faillock.so authfail\n"
           "auth required pam_deny.so\n"},
          {D("postlogin"), ""}},
         SSHD,
         OURS "auth       substack     password-auth\n"
              "auth       include      postlogin\n",
         NULL},
        {"a vendor's file",
         PAM_TYPE_AUTH,
         {{"/usr/lib/pam.d/polkit-1", "auth required pam_unix.so\n"}},
         NULL,
         NULL,
         "belongs to a package, whose updates replace it: copy it to /etc/pam.d"},
        {"a jump over the place, and one to behind it",
         PAM_TYPE_AUTH,
         {{SSHD, "auth [success=1 default=ignore] pam_exec.so /a\n"
                 "auth [success=1 default=bad] pam_u2f.so\n"
                 "auth required pam_unix.so\nauth optional pam_mail.so\n"}},
         SSHD,
         "auth [success=1 default=ignore] pam_exec.so /a\n"
         "auth [success=2 default=bad] pam_u2f.so\n" OURS
         "auth required pam_unix.so\nauth optional pam_mail.so\n",
         NULL},
        {"a line that has changed what a jump means",
         PAM_TYPE_AUTH,
         {{SSHD, "auth [default=1 success=ok] pam_localuser.so\n" OURS
                 "auth sufficient pam_unix.so\nauth required pam_deny.so\n"}},
         NULL,
         NULL,
         "no edit is offered"},
        {"a jump in a continued line over the place",
         PAM_TYPE_AUTH,
         {{SSHD, "auth [success=1 default=ignore] \\\n    pam_u2f.so\n"
                 "auth required pam_unix.so\nauth optional pam_mail.so\n"}},
         NULL,
         NULL,
         "a jump over it cannot be changed by itself"},
        {"a stack that libpam cannot read",
         PAM_TYPE_AUTH,
         {{SSHD, "auth required pam_unix.so\nauth include nowhere\n"}},
         NULL,
         NULL,
         "until libpam can read the stack"},
    };

    assert_offers(*state, cases, COUNT_OF(cases));
}

#define LAST    "session required pam_unix.so\n"
#define READENV "session required pam_env.so user_readenv=1\n"

static void session_lines(void **state)
{
    static const struct offer_case cases[] = {
        {"missing", PAM_TYPE_SESSION, {{SSHD, LAST}}, SSHD, LAST SESSION, NULL},
        {"twice", PAM_TYPE_SESSION, {{SSHD, SESSION LAST SESSION}}, SSHD, SESSION LAST, NULL},
        {"required",
         PAM_TYPE_SESSION,
         {{SSHD, LAST "session required pam_tmout.so # x\n"}},
         SSHD,
         LAST "session optional pam_tmout.so # x\n",
         NULL},
        {"before the user's environment",
         PAM_TYPE_SESSION,
         {{SSHD, SESSION LAST READENV}},
         SSHD,
         LAST READENV SESSION,
         NULL},
        {"the same, in a file that others share",
         PAM_TYPE_SESSION,
         {{SSHD, "session include shared\n" READENV},
          {D("login"), "session include shared\n"},
          {D("shared"), SESSION LAST}},
         SSHD,
         "session include shared\n" READENV SESSION,
         NULL},
        {"behind a line that ends the stack",
         PAM_TYPE_SESSION,
         {{SSHD, LAST "session sufficient pam_exec.so /a\n"}},
         SSHD,
         LAST SESSION "session sufficient pam_exec.so /a\n",
         NULL},
        {"where all other lines may be ignored",
         PAM_TYPE_SESSION,
         {{SSHD, "session optional pam_mail.so\n"}},
         SSHD,
         "session optional pam_mail.so\nsession    [default=ignore] pam_tmout.so\n",
         NULL},
    };

    assert_offers(*state, cases, COUNT_OF(cases));
}

/* Several findings, one edited text: each edit builds on those before it. */
static void edits_build_on_each_other(void **state)
{
    const struct host host = {.root = *state};
    struct pam_services services;
    struct text_file file;
    struct failure why = {""};
    size_t first;

    put(*state, SSHD,
        "@include common-auth\naccount required pam_nologin.so\n" SESSION
        "session required pam_limits.so\n" SESSION);
    put(*state, COMMON, BEGIN DEBIAN END);
    assert_int_equal(pam_services_read(&host, &services), 0);
    assert_int_equal(pam_propose(&services, "sshd", PAM_TYPE_AUTH, &first, &why), PAM_OFFERED);
    assert_int_equal(first, 0);
    assert_int_equal(services.edits.count, 1);
    assert_int_equal(pam_propose(&services, "sshd", PAM_TYPE_SESSION, &first, &why), PAM_OFFERED);
    assert_int_equal(first, 1);
    assert_int_equal(services.edits.count, 2);
    assert_int_equal(host_read_text(&services.host, SSHD, 0, TEXT_FILE_SIZE_MAX, &file), 0);
    assert_string_equal(file.text,
                        OURS "@include common-auth\naccount required pam_nologin.so\n" SESSION
                             "session required pam_limits.so\n");
    free(file.text);
    pam_services_free(&services);
}

/* With insertions at the top and at the end, a short file's patch could be applied
 * twice: the second one goes elsewhere. */
static void not_at_both_ends_of_a_file(void **state)
{
    const struct host host = {.root = *state};
    struct pam_services services;
    struct text_file file;
    struct failure why = {""};
    size_t first;

    put(*state, SSHD, "auth required pam_unix.so\n" LAST "session optional pam_mail.so\n");
    assert_int_equal(pam_services_read(&host, &services), 0);
    assert_int_equal(pam_propose(&services, "sshd", PAM_TYPE_AUTH, &first, &why), PAM_OFFERED);
    assert_int_equal(pam_propose(&services, "sshd", PAM_TYPE_SESSION, &first, &why), PAM_OFFERED);
    assert_int_equal(host_read_text(&services.host, SSHD, 0, TEXT_FILE_SIZE_MAX, &file), 0);
    assert_string_equal(file.text, OURS "auth required pam_unix.so\n" LAST SESSION
                                        "session optional pam_mail.so\n");
    free(file.text);
    pam_services_free(&services);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(auth_lines),
        WITH_DIRECTORY(session_lines),
        WITH_DIRECTORY(edits_build_on_each_other),
        WITH_DIRECTORY(not_at_both_ends_of_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

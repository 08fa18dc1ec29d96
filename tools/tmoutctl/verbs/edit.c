/*
 * tmoutctl edit [NAME]: edits a policy file as visudo(8) does. Nothing that is invalid
 * replaces a file, and no two administrators overwrite each other's edits.
 */
#include "tools/tmoutctl/verbs/verbs.h"

#include "lib/fleet/conf.h"
#include "lib/host/secure_path.h"
#include "lib/policy/compile.h"
#include "tools/tmoutctl/editing/draft.h"
#include "tools/tmoutctl/editing/editor.h"
#include "tools/tmoutctl/host/user_attempts.h"
#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/print_problems.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One edit, from the first look at the file to the new policy. */
struct editing {
    const struct tmoutctl_context *context;
    struct edit_file file;
    struct editor editor;
    struct draft draft;
    int signal_fd;
    int signal_number; /* that told us to end, or 0 */
    bool saved;        /* the file is in place */
};

/* What the administrator wants after something went wrong. */
enum edit_answer { ANSWER_AGAIN, ANSWER_LEAVE, ANSWER_OVERWRITE };

/* Asks until the answer is one of those that there are. */
static enum edit_answer ask(struct editing *editing, bool may_overwrite)
{
    char answer[16];

    for (;;) {
        printf("What now? [e: edit again, x: exit without saving%s] ",
               may_overwrite ? ", s: save all the same" : "");
        fflush(stdout);
        if (editor_read_answer(editing->signal_fd, answer, sizeof answer,
                               &editing->signal_number) != 0) {
            putchar('\n');
            return ANSWER_LEAVE;
        }
        if (strcmp(answer, "e") == 0)
            return ANSWER_AGAIN;
        if (strcmp(answer, "x") == 0)
            return ANSWER_LEAVE;
        if (may_overwrite && strcmp(answer, "s") == 0)
            return ANSWER_OVERWRITE;
    }
}

static int compile_draft(const char *config_path, const struct source_draft *draft,
                         struct problems *problems)
{
    struct policy policy = {0};
    struct source_set sources = {0};
    int outcome = -1;

    if (sources_read_with(config_path, geteuid(), draft, &sources, problems) != 0)
        report("out of memory");
    else
        outcome = policy_compile_sources(&sources, &policy, problems);
    policy_free(&policy);
    sources_free(&sources);
    return outcome;
}

/* Checks the policy as it would be. Returns as policy_compile(), after all messages. */
static int check_draft(const struct editing *editing)
{
    const struct text_file *text = &editing->draft.after;
    const struct source_draft draft = {editing->file.path, text->text, text->size};
    struct problems problems = {0};
    struct fleet_conf fleet;
    const int outcome = editing->file.is_fleet
                            ? fleet_conf_read(draft.path, geteuid(), &draft, &fleet, &problems)
                            : compile_draft(editing->context->config_path, &draft, &problems);

    if (outcome != 0) {
        report_keep_problems(&problems);
        print_problems(stderr, &problems, false);
        report("%s: not saved: %zu error%s", editing->file.path,
               problems.errors + problems.failures,
               problems.errors + problems.failures == 1 ? "" : "s");
    }
    problems_free(&problems);
    return outcome;
}

static int say_unchanged(const struct editing *editing, const char *why)
{
    const struct draft *draft = &editing->draft;
    const char *wrong = draft->is_new ? NULL : insecure_because(&draft->before.status, geteuid());

    if (!editing->context->quiet)
        report("%s: %s%s", editing->file.path, draft->is_new ? "not created" : "unchanged", why);
    if (wrong == NULL)
        return TMOUTCTL_FINE;
    report("%s: %s", editing->file.path, wrong);
    return TMOUTCTL_NO;
}

/* The file is in place; now logins get the policy, or are told why not. */
static int apply_edit(const struct editing *editing)
{
    const struct verb_arguments none = {.operand = NULL};
    struct tmoutctl_context context = *editing->context;

    if (editing->file.is_fleet)
        return TMOUTCTL_FINE; /* logins do not read it */
    if (context.json) {
        context.json = false; /* the document is ours */
        context.quiet = true;
    }
    return verb_apply.run(&context, &none);
}

/* Another administrator, or a program, may have changed the file meanwhile. Returns
 * false where it is not to be overwritten, with the answer. */
static bool may_replace(struct editing *editing, enum edit_answer *answer)
{
    struct failure failure = {""};

    while (draft_is_outdated(&editing->draft)) {
        report("%s: somebody else has changed it while you edited it", editing->file.path);
        *answer = ask(editing, true);
        if (*answer != ANSWER_OVERWRITE)
            return false;
        if (draft_accept_other(&editing->draft, &failure) != 0) {
            report("%s", failure.text);
            *answer = ask(editing, false);
            return false;
        }
    }
    return true;
}

/* Runs the editor, and reads what it has made of the copy. Returns false where there is
 * nothing new to save: *again says whether to edit once more, else *status is the exit
 * status. */
static bool let_edit(struct editing *editing, bool *again, int *status)
{
    struct draft *draft = &editing->draft;
    struct failure failure = {""};

    *again = false;
    *status = TMOUTCTL_FAILURE;
    switch (editor_run(&editing->editor, draft->path, editing->signal_fd, &editing->signal_number,
                       &failure)) {
    case EDITOR_DONE:
        break;
    case EDITOR_FAILED:
        report("%s; %s is unchanged", failure.text, editing->file.path);
        return false;
    case EDITOR_INTERRUPTED:
    default:
        return false;
    }
    if (draft_read(draft, &failure) != 0) {
        report("%s", failure.text);
        *again = ask(editing, false) == ANSWER_AGAIN;
        return false;
    }
    if (!draft_is_unchanged(draft) && draft->after.size > 0)
        return true;
    *status = say_unchanged(editing, draft_is_unchanged(draft) ? "" : ": the edited copy is empty");
    return false;
}

/* Lets the copy be edited once, and saves it. Returns true where it is to be edited again;
 * else *status is the exit status. */
static bool edit_once(struct editing *editing, int *status)
{
    struct failure failure = {""};
    enum edit_answer answer = ANSWER_LEAVE;
    bool again;

    if (!let_edit(editing, &again, status))
        return again;
    const int outcome = check_draft(editing);
    *status = outcome >= 0 ? TMOUTCTL_NO : TMOUTCTL_FAILURE;
    if (outcome != 0)
        return ask(editing, false) == ANSWER_AGAIN;
    if (!may_replace(editing, &answer))
        return answer == ANSWER_AGAIN;
    if (draft_install(&editing->draft, &failure) != 0) {
        report("%s", failure.text);
        *status = TMOUTCTL_FAILURE;
        return ask(editing, false) == ANSWER_AGAIN;
    }
    editing->saved = true;
    *status = apply_edit(editing);
    return false;
}

static int edit_file(struct editing *editing)
{
    struct failure failure = {""};
    int status = TMOUTCTL_FAILURE;

    editing->signal_fd = editor_watch_signals();
    if (editing->signal_fd < 0) {
        report("cannot block signals: %s", failure_reason(errno));
        return status;
    }
    if (draft_open(editing->context->state_dir, &editing->file, &editing->draft, &failure) != 0)
        report("%s", failure.text);
    else
        while (edit_once(editing, &status))
            continue;
    draft_close(&editing->draft);
    close(editing->signal_fd);
    return status;
}

/* The same where standard output is for a document: what the editor and we say meanwhile
 * goes to the terminal that is standard error. */
static int edit_beside_output(struct editing *editing)
{
    const int output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);

    if (output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        report("cannot use standard error: %s", strerror(errno));
        if (output >= 0)
            close(output);
        return TMOUTCTL_FAILURE;
    }
    const int status = edit_file(editing);
    fflush(stdout);
    (void)dup2(output, STDOUT_FILENO);
    close(output);
    return status;
}

/* Ends as one expects of a program that was told to end by a signal. */
static void end_by_signal(int signal_number)
{
    sigset_t set;

    signal(signal_number, SIG_DFL);
    raise(signal_number);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int run_edit(const struct tmoutctl_context *context, const struct verb_arguments *arguments)
{
    struct editing editing = {.context = context};
    struct failure failure = {""};

    if (!may_read_attempts(context))
        return cli_must_be_root();
    if (edit_file_find(context->config_path, arguments->operand, &editing.file, &failure) != 0)
        return cli_usage_error(&verb_edit, "%s", failure.text);
    if (!isatty(STDIN_FILENO) || !isatty(context->json ? STDERR_FILENO : STDOUT_FILENO)) {
        report("must be run on a terminal: an editor needs one");
        return TMOUTCTL_FAILURE;
    }
    if (editor_find(&editing.editor, &failure) != 0) {
        report("%s", failure.text);
        return TMOUTCTL_FAILURE;
    }
    const int status = context->json ? edit_beside_output(&editing) : edit_file(&editing);
    if (editing.signal_number != 0) {
        report("%s: unchanged: interrupted", editing.file.path);
        end_by_signal(editing.signal_number);
    }
    if (context->json)
        return print_json(json_pack("{s:o, s:b, s:b}", "file", json_text(editing.file.path),
                                    "saved", editing.saved, "applied",
                                    editing.saved && status == TMOUTCTL_FINE),
                          status);
    return finish(status);
}

const struct verb verb_edit = {
    .name = "edit",
    .usage = "[NAME]",
    .summary = "edit a policy file, check it, and put it in force",
    .help = "Opens a copy of the policy, or of its drop-in NAME, in the editor that\n"
            "SUDO_EDITOR, VISUAL or EDITOR names, and replaces the file only if the whole\n"
            "policy is valid with it; then applies the policy. Only one administrator at a\n"
            "time can edit. Must be run as root, on a terminal.",
    .operand = "NAME",
    .json_version = 1,
    .run = run_edit,
};

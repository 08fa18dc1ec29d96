/*
 * What the verbs of tmoutctl share: where things are, how they were asked
 * to answer, and how they report. One file a verb; main.c picks one.
 */
#ifndef TMOUT_TMOUTCTL_CLI_H
#define TMOUT_TMOUTCTL_CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses; scripts rely on them. */
enum tmoutctl_exit {
    TMOUTCTL_FINE = 0,
    TMOUTCTL_NO = 1,     /* the question was understood, the answer is no */
    TMOUTCTL_FAILURE = 2 /* wrong usage, or the answer could not be found */
};

struct tmoutctl_context {
    const char *config_path; /* the policy's main file */
    const char *state_dir;   /* where the snapshot lives */
    bool json;               /* print data as one JSON document */
    bool quiet;              /* say nothing unless something is wrong */
};

/*
 * A verb: gets the words that follow its name, the name itself at argv[0],
 * with the options that all verbs share already taken out. Returns one of
 * enum tmoutctl_exit.
 */
typedef int tmoutctl_verb(const struct tmoutctl_context *context, int argc, char **argv);

tmoutctl_verb verb_apply;
tmoutctl_verb verb_attempts;
tmoutctl_verb verb_audit;
tmoutctl_verb verb_check;
tmoutctl_verb verb_preset;
tmoutctl_verb verb_sessions;
tmoutctl_verb verb_shells;
tmoutctl_verb verb_show;
tmoutctl_verb verb_sshd_config;
tmoutctl_verb verb_unlock;

/* "tmoutctl: ..." and a newline on standard error. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The end of a verb that printed something: status, or TMOUTCTL_FAILURE if
 * standard output could not take it. */
int finish(int status);

/*
 * Prints value and a newline on standard output and releases it. Returns
 * status, or TMOUTCTL_FAILURE if value is NULL (out of memory) or standard
 * output could not take it.
 */
int print_json(json_t *value, int status);

/* The length of the UTF-8 character at text, 0 if it is none. */
size_t utf8_length(const unsigned char *text);

/* text as a JSON string; bytes that are not UTF-8 become U+FFFD. */
json_t *json_text(const char *text);

/* Local date and time for people. */
void format_time(int64_t wall_clock_sec, char *text, size_t size);

#endif

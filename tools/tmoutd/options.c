#include "tools/tmoutd/options.h"

#include "lib/paths.h"
#include "lib/sessions/registry.h"

#include <getopt.h>
#include <stdio.h>

#ifndef TMOUT_VERSION
#define TMOUT_VERSION "unknown"
#endif

static const char usage_line[] = "usage: tmoutd [--foreground] [--state DIR]\n";

static const char help_text[] =
    "\nHangs up terminals that stay idle, and ends logins that are too old or move no\n"
    "data, as tmout.conf(5) says for each user.\n"
    "\n"
    "Options:\n"
    "  --foreground         log to standard error, too\n"
    "  --state DIR          the state directory instead of /var/lib/tmout\n"
    "  -h, --help           print this help and exit\n"
    "  -V, --version        print the version and exit\n";

static int usage_error(void)
{
    fputs(usage_line, stderr);
    return OPTIONS_USAGE_ERROR;
}

/* A full disk or a closed pipe must not look like success. */
static int finish_output(void)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return 0;
    perror("tmoutd: standard output");
    return OPTIONS_USAGE_ERROR;
}

static int set_state_dir(struct options *options, const char *path)
{
    const char *problem = NULL;

    /* The daemon's working directory is not the caller's. */
    if (path[0] != '/')
        problem = "must be an absolute path";
    else if (!registry_directory(path, options->sessions_dir, sizeof options->sessions_dir))
        problem = "the path is too long";
    options->state_dir = path;
    if (problem == NULL)
        return OPTIONS_RUN;
    fprintf(stderr, "tmoutd: invalid argument '%s' for '--state': %s\n", path, problem);
    return usage_error();
}

static int apply_option(int code, struct options *options)
{
    switch (code) {
    case 'f':
        options->foreground = true;
        return OPTIONS_RUN;
    case 's':
        return set_state_dir(options, optarg);
    case 'h':
        fputs(usage_line, stdout);
        fputs(help_text, stdout);
        return finish_output();
    case 'V':
        puts("tmoutd " TMOUT_VERSION);
        return finish_output();
    default: /* getopt_long() has printed what is wrong */
        return usage_error();
    }
}

int options_parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {{"foreground", no_argument, NULL, 'f'},
                                          {"state", required_argument, NULL, 's'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    static char name[] = "tmoutd"; /* messages name the program, not its path */
    int code, status = OPTIONS_RUN;

    *options = (struct options){.state_dir = TMOUT_STATE_DIR, .sessions_dir = TMOUT_SESSIONS_DIR};
    if (argc > 0)
        argv[0] = name;
    optind = 0;
    while (status == OPTIONS_RUN && (code = getopt_long(argc, argv, "hV", known, NULL)) != -1)
        status = apply_option(code, options);
    if (status != OPTIONS_RUN || optind >= argc)
        return status;
    fprintf(stderr, "tmoutd: extra operand '%s'\n", argv[optind]);
    return usage_error();
}

#include "tools/tmoutctl/report.h"

#include "tools/tmoutctl/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct reports kept;

static void keep_report(enum report_kind kind, const char *format, va_list arguments)
{
    if (kept.kind == REPORT_FAILURE)
        kept.kind = kind;
    if (kept.count < REPORTS_MAX && vasprintf(&kept.text[kept.count], format, arguments) >= 0)
        kept.count++;
    else
        kept.left_out++;
}

static void say_and_keep(enum report_kind kind, const char *format, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    fputs("tmoutctl: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    keep_report(kind, format, again);
    va_end(again);
}

void report(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_and_keep(REPORT_FAILURE, format, arguments);
    va_end(arguments);
}

int report_as(enum report_kind kind, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    say_and_keep(kind, format, arguments);
    va_end(arguments);
    return TMOUTCTL_FAILURE;
}

void report_keep(enum report_kind kind, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    keep_report(kind, format, arguments);
    va_end(arguments);
}

const struct reports *reports_kept(void)
{
    return &kept;
}

void reports_forget(void)
{
    for (size_t i = 0; i < kept.count; i++)
        free(kept.text[i]);
    kept = (struct reports){.count = 0};
}

const char *report_kind_word(enum report_kind kind)
{
    static const char *const words[] = {[REPORT_FAILURE] = "failure",
                                        [REPORT_USAGE] = "usage",
                                        [REPORT_PERMISSION] = "permission",
                                        [REPORT_POLICY] = "policy"};

    return words[kind];
}

#include "tools/tmoutctl/print_problems.h"

#include "tools/tmoutctl/print.h"
#include "tools/tmoutctl/report.h"

#include <string.h>

static const char *severity_word(enum problem_severity severity)
{
    switch (severity) {
    case PROBLEM_NOTE:
        return "note";
    case PROBLEM_ERROR:
        return "error";
    case PROBLEM_FAILURE:
    default:
        return "failure";
    }
}

static void print_left_out(FILE *to, size_t count, const char *what)
{
    if (count > 0)
        fprintf(to, "... and %zu more %s%s, not shown\n", count, what, count == 1 ? "" : "s");
}

void print_problems(FILE *to, const struct problems *problems, bool with_notes)
{
    for (size_t i = 0; i < problems->count; i++) {
        char line[2048];
        if (problems->item[i].severity == PROBLEM_NOTE && !with_notes)
            continue;
        problem_format(&problems->item[i], line, sizeof line);
        fprintf(to, "%s%s\n", line, problems->item[i].severity == PROBLEM_NOTE ? " (note)" : "");
    }
    print_left_out(to, problems_errors_left_out(problems), "error");
    if (with_notes)
        print_left_out(to, problems_notes_left_out(problems), "note");
}

json_t *problems_json(const struct problems *problems)
{
    json_t *list = json_array();

    for (size_t i = 0; list != NULL && i < problems->count; i++) {
        const struct problem *p = &problems->item[i];
        json_t *entry = json_pack("{s:s, s:o, s:o, s:o}", "severity", severity_word(p->severity),
                                  "file", json_text_or_null(p->file), "line",
                                  p->line > 0 ? json_integer(p->line) : json_null(), "message",
                                  json_text(p->text));
        list = json_add_row(list, entry);
    }
    return list;
}

void summarize_problems(const struct problems *problems, char *text, size_t size)
{
    const struct problem *first = problems_first_bad(problems);
    const size_t bad = problems->errors + problems->failures;

    if (first == NULL) {
        snprintf(text, size, "out of memory");
        return;
    }
    problem_format(first, text, size);
    const size_t used = strlen(text);
    if (bad > 1 && used < size)
        snprintf(text + used, size - used, " (and %zu more error%s)", bad - 1, bad == 2 ? "" : "s");
}

void report_keep_problems(const struct problems *problems)
{
    for (size_t i = 0; i < problems->count; i++) {
        char line[2048];
        if (problems->item[i].severity == PROBLEM_NOTE)
            continue;
        problem_format(&problems->item[i], line, sizeof line);
        report_keep(problems->item[i].severity == PROBLEM_ERROR ? REPORT_POLICY : REPORT_FAILURE,
                    "%s", line);
    }
}

#include "tools/tmoutctl/print.h"

#include "tools/tmoutctl/cli.h"
#include "tools/tmoutctl/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int finish(int status)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    report("cannot write to standard output");
    return TMOUTCTL_FAILURE;
}

/* The document that is due. */
static struct {
    const char *command;
    int version;
    bool printed;
} document;

void json_begin(const char *command, int version)
{
    document.command = command;
    document.version = version;
    document.printed = false;
}

static json_t *error_json(int status)
{
    const struct reports *reports = reports_kept();
    json_t *messages = json_array();

    for (size_t i = 0; i < reports->count; i++)
        messages = json_add_row(messages, json_text(reports->text[i]));
    return json_pack("{s:o, s:s, s:i, s:o, s:o, s:I}", "command",
                     json_text_or_null(document.command), "kind", report_kind_word(reports->kind),
                     "exit_status", status, "message",
                     json_text(reports->count > 0 ? reports->text[0] : "out of memory"), "messages",
                     messages, "left_out", (json_int_t)reports->left_out);
}

/* value with what every document has; releases it. NULL without memory. */
static json_t *complete_document(json_t *value, int status)
{
    const bool is_error = status == TMOUTCTL_FAILURE ||
                          (status == TMOUTCTL_NO && reports_kept()->kind == REPORT_POLICY);
    json_t *all;

    if (value == NULL || (json_is_array(value) && (!is_error || json_array_size(value) > 0)))
        return value;
    all = document.version > 0 ? json_pack("{s:i}", "version", document.version) : json_object();
    bool made = all != NULL && (json_is_array(value) || json_object_update(all, value) == 0);
    json_decref(value);
    if (made && is_error)
        made = json_object_set_new(all, "error", error_json(status)) == 0;
    if (made)
        return all;
    json_decref(all);
    return NULL;
}

int print_json(json_t *value, int status)
{
    char *text = NULL;

    value = complete_document(value, status);
    if (value != NULL)
        text = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
    json_decref(value);
    document.printed = true;
    if (text == NULL) {
        report("out of memory");
        printf("{\"version\": %d, \"error\": {\"command\": null, \"kind\": \"failure\", "
               "\"exit_status\": 2, \"message\": \"out of memory\", "
               "\"messages\": [\"out of memory\"], \"left_out\": 0}}\n",
               document.version);
        return TMOUTCTL_FAILURE;
    }
    puts(text);
    free(text);
    return finish(status);
}

int json_end(int status)
{
    return document.printed ? status : print_json(json_object(), status);
}

/* The length of the UTF-8 character at text, 0 if it is invalid. */
static size_t utf8_length(const unsigned char *text)
{
    const size_t length = text[0] < 0x80                       ? 1
                          : text[0] >= 0xc2 && text[0] <= 0xdf ? 2
                          : text[0] >= 0xe0 && text[0] <= 0xef ? 3
                          : text[0] >= 0xf0 && text[0] <= 0xf4 ? 4
                                                               : 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

json_t *json_text(const char *text)
{
    static const char replacement[] = "\xef\xbf\xbd";
    json_t *value = json_string(text);

    if (value != NULL)
        return value;
    char *clean = malloc(3 * strlen(text) + 1), *to = clean;
    if (clean == NULL)
        return NULL;
    for (const unsigned char *from = (const unsigned char *)text; *from != '\0';) {
        const size_t length = utf8_length(from);
        if (length > 0) {
            memcpy(to, from, length);
            to += length;
            from += length;
        } else {
            memcpy(to, replacement, sizeof replacement - 1);
            to += sizeof replacement - 1;
            from++;
        }
    }
    *to = '\0';
    value = json_string(clean);
    /* jansson also rejects surrogates and overlong forms, which the loop above
     * lets through: they are rare enough to give the whole text up. */
    if (value == NULL)
        value = json_string(replacement);
    free(clean);
    return value;
}

json_t *json_add_row(json_t *rows, json_t *row)
{
    if (rows != NULL && row != NULL) {
        if (json_array_append_new(rows, row) == 0)
            return rows;
    } else {
        json_decref(row);
    }
    json_decref(rows);
    return NULL;
}

json_t *json_text_or_null(const char *text)
{
    return text != NULL ? json_text(text) : json_null();
}

/* Ranges of characters that are invisible, or change how others are shown:
 * Unicode's controls, line separators, those "Default_Ignorable_Code_Point"s
 * that have to do with the direction of writing or with width, and U+FFFD,
 * which json_text() puts in the place of a byte that is not UTF-8. */
static const struct {
    uint32_t first, last;
} hidden[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},      {0x61c, 0x61c},
              {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},  {0x2060, 0x206f},
              {0xfeff, 0xfeff}, {0xfff9, 0xfffd}, {0xe0000, 0xe007f}};

/* The length of the UTF-8 character at text, 0 if a terminal would not show
 * it as it is. */
static size_t clean_length(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    const size_t length = utf8_length(byte);
    /* The first byte of a sequence begins with as many ones as it has bytes. */
    uint32_t character = length == 1 ? byte[0] : byte[0] & (0x7fu >> length);

    for (size_t i = 1; i < length; i++)
        character = character << 6 | (byte[i] & 0x3fu);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (character >= hidden[i].first && character <= hidden[i].last)
            return 0;
    return length;
}

bool is_clean_text(const char *text)
{
    size_t length = 1;

    for (; *text != '\0' && length > 0; text += length)
        length = clean_length(text);
    return length > 0;
}

/* Prints text[size] with a ? for what is not clean. */
static void print_clean_part(const char *text, size_t size)
{
    for (const char *const end = text + size; text < end;) {
        const size_t length = clean_length(text);
        if (length > 0) {
            fwrite(text, 1, length, stdout);
            text += length;
            continue;
        }
        putchar('?');
        const size_t invisible = utf8_length((const unsigned char *)text);
        text += invisible > 0 ? invisible : 1;
    }
}

void print_clean(const char *text)
{
    print_clean_part(text, strlen(text));
}

void print_clean_lines(const char *indent, const char *text)
{
    while (*text != '\0') {
        const size_t line = strcspn(text, "\n");
        fputs(indent, stdout);
        for (size_t done = 0; done < line; done++) {
            const size_t part = strcspn(text + done, "\t\n");
            print_clean_part(text + done, part);
            done += part;
            if (done < line)
                putchar('\t');
        }
        putchar('\n');
        text += line + (text[line] == '\n');
    }
}

void format_time(int64_t wall_clock_sec, char *text, size_t size)
{
    const time_t when = (time_t)wall_clock_sec;
    struct tm broken_down;

    if (localtime_r(&when, &broken_down) == NULL ||
        strftime(text, size, "%Y-%m-%d %H:%M:%S", &broken_down) == 0)
        snprintf(text, size, "an unknown time");
}

void format_time_rfc3339(int64_t wall_clock_sec, char *text, size_t size)
{
    const time_t when = (time_t)wall_clock_sec;
    struct tm broken_down;
    char offset[8], date[32];

    if (localtime_r(&when, &broken_down) == NULL || broken_down.tm_year < -1900 ||
        broken_down.tm_year > 9999 - 1900 ||
        strftime(date, sizeof date, "-%m-%dT%H:%M:%S", &broken_down) == 0 ||
        strftime(offset, sizeof offset, "%z", &broken_down) != 5)
        snprintf(text, size, "%s", "");
    else
        snprintf(text, size, "%04d%s%.3s:%s", broken_down.tm_year + 1900, date, offset, offset + 3);
}

json_t *json_time(int64_t wall_clock_sec)
{
    char text[64];

    format_time_rfc3339(wall_clock_sec, text, sizeof text);
    return json_text_or_null(text[0] != '\0' ? text : NULL);
}

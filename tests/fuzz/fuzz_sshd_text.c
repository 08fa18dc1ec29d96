/*
 * Fuzzes the parsing of sshd_config, of words and values in it, and the
 * suggestions for unknown keywords.
 *
 * The input is sshd_config; a line #### begins the next file that it may
 * include: sshd_config.d/10.conf, then inner. Aborts unless
 * - every line has its parts, and a position in an existing file;
 * - a Match line belongs to its own block, and a value applies only before any block;
 * - a file without inclusions has as many lines as a simple count finds;
 * - the words of a line are terminated, and none exceeds its buffer;
 * - a parsed value is one that a policy may contain.
 */
#include "tests/fuzz/tree.h"

#include "tools/tmoutctl/sshd/site.h"
#include "tools/tmoutctl/sshd/suggest.h"
#include "tools/tmoutctl/sshd/text.h"

#include <strings.h>

static const char NEXT_FILE[] = "\n####\n";
static const char blanks[] = " \t\r\f\v";

static const char *const names[] = {SSHD_CONFIG_PATH, "/etc/ssh/sshd_config.d/10.conf",
                                    "/etc/ssh/inner"};
enum { FILES = sizeof names / sizeof *names, INCLUDES_MAX = 12 };

/* Writes the files that the input represents. */
static void put_files(const char *data, size_t size)
{
    const char *const end = data + size;

    for (size_t i = 0; i < FILES; i++) {
        const char *next = memmem(data, (size_t)(end - data), NEXT_FILE, sizeof NEXT_FILE - 1);
        const char *stop = next != NULL && i + 1 < FILES ? next : end;
        tree_put(names[i], data, (size_t)(stop - data));
        data = stop == end ? end : stop + sizeof NEXT_FILE - 1;
    }
}

/* Files may include each other: only so few that reading all of them is fast. A
 * path that leaves the tree would lead to this machine's own files. */
static bool is_in_bounds(const char *text)
{
    size_t includes = 0;

    for (const char *at = text; (at = strcasestr(at, "include")) != NULL; at++)
        includes++;
    return includes <= INCLUDES_MAX && strstr(text, "..") == NULL;
}

static void check_words(const char *arguments)
{
    char word[8];
    const char *rest = arguments, *before = NULL;

    while (before = rest, sshd_next_word(&rest, word, sizeof word)) {
        MUST(rest > before && rest <= arguments + strlen(arguments));
        MUST(strlen(word) < sizeof word);
    }
}

static void check_line(const struct sshd_line *line)
{
    static const struct sshd_config none = {0};
    struct sshd_site_value site;
    bool known_file = false;

    for (size_t i = 0; i < FILES; i++)
        known_file = known_file || strcmp(line->file, names[i]) == 0;
    MUST(known_file && line->line > 0);
    MUST(strchr(line->keyword, '\n') == NULL && strchr(line->arguments, '\n') == NULL);
    MUST(line->in_match || strcasecmp(line->keyword, "match") != 0);
    check_words(line->arguments);
    if (sshd_site_read(line, &site)) {
        MUST(line->in_match);
        MUST(setting_value_valid(&settings[site.keyword->id], site.value));
    }
    const char *meant = sshd_suggest(line->keyword, &none);
    MUST(meant == NULL || !ssh_client_has_option(meant));
}

/* Counts the lines of a file without inclusions in a different way. */
static size_t count_lines(const char *text)
{
    size_t count = 0;
    char *copy = strdup(text), *rest = copy, *line;

    MUST(copy != NULL);
    while ((line = strsep(&rest, "\n")) != NULL) {
        line += strspn(line, blanks);
        count += *line != '\0' && *line != '#';
    }
    free(copy);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size);
    struct sshd_text read;

    if (strlen(text) == size && is_in_bounds(text)) {
        tree_make();
        put_files(text, size);
        MUST(sshd_text_read(&host, &read) == 0);
        for (size_t i = 0; i < read.count; i++) {
            check_line(&read.line[i]);
            const struct sshd_line *first = sshd_text_first(&read, read.line[i].keyword);
            MUST(first == NULL ? read.line[i].in_match : !first->in_match);
            MUST(read.line[i].in_match || first <= &read.line[i]);
        }
        MUST((read.problem == NULL) == (read.problem_file == NULL));
        if (strcasestr(text, "include") == NULL && strstr(text, NEXT_FILE) == NULL)
            MUST(read.count == count_lines(text) && read.problem == NULL);
        sshd_text_free(&read);
    }
    free(text);
    return 0;
}

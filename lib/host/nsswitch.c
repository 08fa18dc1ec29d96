#include "lib/host/nsswitch.h"

#include "lib/host/ascii.h"
#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What follows "database:" in its line, or NULL. */
static const char *line_of(const char *text, const char *database)
{
    const size_t length = strlen(database);

    while (*text != '\0') {
        text += strspn(text, " \t");
        if (strncmp(text, database, length) == 0) {
            const char *colon = text + length + strspn(text + length, " \t");
            if (*colon == ':')
                return colon + 1;
        }
        text += strcspn(text, "\n");
        text += *text == '\n';
    }
    return NULL;
}

/* The name of a source at *at. */
static bool take_source(struct nss_sources *sources, const char **at)
{
    const char *name = *at;
    const size_t length = strcspn(name, " \t[");

    if (sources->count == NSS_SOURCES_MAX || length >= NSS_NAME_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!is_letter(name[i]) && !is_digit(name[i]) && name[i] != '_')
            return false;
    struct nss_source *source = &sources->source[sources->count++];
    memcpy(source->name, name, length);
    source->name[length] = '\0';
    source->ends = NSS_SUCCESS;
    *at += length;
    return true;
}

/* The word of letters at *at, which is moved behind it and the spaces there. */
static size_t letters(const char **at, const char **word)
{
    *word = *at;
    while (is_letter(**at))
        ++*at;
    const size_t length = (size_t)(*at - *word);
    *at += strspn(*at, " \t");
    return length;
}

static bool is_word(const char *word, size_t length, const char *expected)
{
    for (size_t i = 0; i < length; i++)
        if ((word[i] | 0x20) != expected[i]) /* letters alone */
            return false;
    return expected[length] == '\0';
}

static unsigned answer_named(const char *word, size_t length)
{
    return is_word(word, length, "success")    ? NSS_SUCCESS
           : is_word(word, length, "notfound") ? NSS_NOTFOUND
           : is_word(word, length, "unavail")  ? NSS_UNAVAIL
           : is_word(word, length, "tryagain") ? NSS_TRYAGAIN
                                               : 0;
}

/* One "STATUS=action", with a "!" for all other ones, at *at. */
static bool take_action(struct nss_source *source, const char **at)
{
    const char *word;
    const bool is_negated = **at == '!';

    *at += is_negated;
    size_t length = letters(at, &word);
    unsigned answers = answer_named(word, length);
    if (answers == 0 || **at != '=')
        return false;
    if (is_negated)
        answers = NSS_ANSWERS & ~answers;
    ++*at;
    *at += strspn(*at, " \t");
    length = letters(at, &word);
    if (is_word(word, length, "return"))
        source->ends |= answers;
    else if (is_word(word, length, "continue") || is_word(word, length, "merge"))
        source->ends &= ~answers;
    else
        return false;
    return true;
}

/* What stands in brackets behind a source. */
static bool take_actions(struct nss_sources *sources, const char **at)
{
    if (sources->count == 0)
        return false;
    ++*at;
    *at += strspn(*at, " \t");
    while (**at != ']')
        if (**at == '\0' || !take_action(&sources->source[sources->count - 1], at))
            return false;
    ++*at;
    return true;
}

int nsswitch_parse(const char *text, const char *database, struct nss_sources *sources)
{
    const char *line = line_of(text, database);

    sources->count = 0;
    sources->line[0] = '\0';
    if (line == NULL)
        return 0;
    const size_t length = strcspn(line, "#\n");
    if (length >= sizeof sources->line)
        return -1;
    memcpy(sources->line, line, length);
    sources->line[length] = '\0';
    for (const char *at = sources->line + strspn(sources->line, " \t"); *at != '\0';) {
        if (*at == '[' ? !take_actions(sources, &at) : !take_source(sources, &at))
            return -1;
        at += strspn(at, " \t");
    }
    return 1;
}

int nsswitch_read(char text[NSSWITCH_BYTES_MAX])
{
    ssize_t size = 0;

#ifndef __GLIBC__
    return -1;
#endif
    int fd = fd_open_at(AT_FDCWD, "/etc/nsswitch.conf", O_RDONLY);
    /* SUSE's glibc then reads the vendor's. */
    if (fd < 0 && errno == ENOENT)
        fd = fd_open_at(AT_FDCWD, "/usr/etc/nsswitch.conf", O_RDONLY);
    if (fd >= 0) {
        size = read(fd, text, NSSWITCH_BYTES_MAX - 1);
        close(fd);
    } else if (errno != ENOENT) {
        return -1;
    }
    text[size > 0 ? size : 0] = '\0';
    return size >= 0 && size < NSSWITCH_BYTES_MAX - 1 ? 0 : -1;
}

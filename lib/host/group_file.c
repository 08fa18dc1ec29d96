#include "lib/host/group_file.h"

#include "lib/host/ascii.h"
#include "lib/host/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GID_DIGITS_SURE = 9 /* fit in 32 bits; a line has an end behind them */ };
enum { ROOM_INITIAL = 16 * 1024, ROOM_MAX = 64 * 1024 * 1024 /* a line has all members */ };

int group_file_open(struct group_file *file, const char *path)
{
    *file = (struct group_file){.fd = fd_open_at(AT_FDCWD, path, O_RDONLY)};
    return file->fd >= 0 || errno == ENOENT ? 0 : -1;
}

void group_file_close(struct group_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    free(file->text);
    *file = (struct group_file){.fd = -1};
}

/* The file is small as a rule, and still there as a whole. */
void group_file_rewind(struct group_file *file)
{
    if (file->dropped > 0)
        file->end = 0;
    file->dropped = 0;
    file->next = 0;
}

/* Reads on behind what has not been used. Returns the bytes, 0 at the end, -1. */
static ssize_t read_more(struct group_file *file)
{
    ssize_t got;

    if (file->end + 1 >= file->room) {
        if (file->next > 0) {
            memmove(file->text, file->text + file->next, file->end - file->next);
            file->dropped += (off_t)file->next;
            file->end -= file->next;
            file->next = 0;
        } else {
            const size_t room = file->room == 0 ? ROOM_INITIAL : 2 * file->room;
            char *grown = room <= ROOM_MAX ? realloc(file->text, room) : NULL;
            if (grown == NULL) {
                errno = ENOMEM;
                return -1;
            }
            file->text = grown;
            file->room = room;
        }
    }
    do {
        got = pread(file->fd, file->text + file->end, file->room - file->end - 1,
                    file->dropped + (off_t)file->end);
    } while (got < 0 && errno == EINTR);
    if (got > 0)
        file->end += (size_t)got;
    return got;
}

/* Returns the length of the next line, which is at text[next], without its end. */
static ssize_t find_line(struct group_file *file)
{
    size_t looked_at = 0;

    for (;;) {
        const size_t left = file->end - file->next;
        const char *end = left > looked_at
                              ? memchr(file->text + file->next + looked_at, '\n', left - looked_at)
                              : NULL;
        if (end != NULL)
            return end - (file->text + file->next);
        looked_at = left;
        const ssize_t got = read_more(file);
        if (got < 0)
            return -1;
        if (got == 0)
            return (ssize_t)left;
    }
}

static const char *find_char(const char *from, const char *end, char searched)
{
    return from < end ? memchr(from, searched, (size_t)(end - from)) : NULL;
}

/* Whatever else strtoull() takes for a number, with a sign for example. It would skip the
 * end of the line as a space in front of one. */
static const char *unusual_gid(const char *field, const char *line_end, gid_t *gid)
{
    char *end;

    while (field < line_end && is_space(*field))
        field++;
    if (field == line_end)
        return NULL;
    errno = 0;
    const unsigned long long number = strtoull(field, &end, 10);
    *gid = (gid_t)number;
    return end != field && (*end == ':' || *end == '\n') && errno == 0 && number <= UINT32_MAX
               ? end
               : NULL;
}

/* The field's text ends with a colon, or with the line. Returns that end, or NULL. Each
 * line of the file comes through here at a login: strtoull() would take half of the time. */
static const char *gid_of(const char *field, const char *line_end, gid_t *gid)
{
    const char *at = field;
    gid_t number = 0;

    while (at < field + GID_DIGITS_SURE && *at >= '0' && *at <= '9')
        number = number * 10 + (gid_t)(*at++ - '0');
    if (at == field || (*at != ':' && *at != '\n'))
        return unusual_gid(field, line_end, gid);
    *gid = number;
    return at;
}

/* name:password:number:members, where what comes behind the number may be missing. */
static bool group_line_parse(const char *from, const char *end, struct group_line *line)
{
    while (from < end && is_space(*from))
        from++;
    if (from == end || *from == '#' || *from == '+' || *from == '-')
        return false;
    const char *password = find_char(from, end, ':');
    const char *number = password != NULL ? find_char(password + 1, end, ':') : NULL;
    const char *gid_end = number != NULL ? gid_of(number + 1, end, &line->gid) : NULL;
    if (gid_end == NULL)
        return false;
    line->name = from;
    line->name_length = (size_t)(password - from);
    line->members = gid_end < end ? gid_end + 1 : end;
    line->members_length = (size_t)(end - line->members);
    return true;
}

/* Such a line ends with a colon: most do. */
static bool has_no_members(const char *from, const char *end)
{
    return from < end && end[-1] == ':';
}

int group_file_next(struct group_file *file, struct group_line *line)
{
    while (file->fd >= 0) {
        const ssize_t length = find_line(file);
        if (length < 0)
            return -1;
        const char *from = file->text + file->next, *end = from + length;
        file->text[file->next + (size_t)length] = '\n'; /* the last line may have none */
        if (length == 0 && file->next == file->end)
            return 0;
        file->next += (size_t)length + (file->next + (size_t)length < file->end);
        if (!(file->skips_empty && has_no_members(from, end)) && group_line_parse(from, end, line))
            return 1;
    }
    return 0;
}

bool group_line_has(const struct group_line *line, const char *user)
{
    const char *const end = line->members + line->members_length;
    const size_t length = strlen(user);

    for (const char *member = line->members; member < end;) {
        while (member < end && is_space(*member))
            member++;
        const char *comma = find_char(member, end, ',');
        const char *member_end = comma != NULL ? comma : end;
        if ((size_t)(member_end - member) == length && memcmp(member, user, length) == 0)
            return length > 0;
        member = member_end + 1;
    }
    return false;
}

#include "tools/tmoutctl/host/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int read_text_file(const char *path, int flags, struct text_file *out)
{
    return read_large_text_file(path, flags, TEXT_FILE_SIZE_MAX, out);
}

/* /dev/null, with which a file of this name elsewhere is often put out of action. Programs
 * read it as an empty file; whoever wants to change a file (O_NOFOLLOW) cannot change this. */
static bool is_empty_device(const struct stat *status, int flags)
{
    return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 3) &&
           (flags & O_NOFOLLOW) == 0;
}

int read_large_text_file(const char *path, int flags, size_t size_max, struct text_file *out)
{
    *out = (struct text_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
    if (fd < 0)
        return -1;
    if (fstat(fd, &out->status) < 0)
        goto fail;
    const bool is_file = S_ISREG(out->status.st_mode) || is_empty_device(&out->status, flags);
    errno = is_file ? EFBIG : EINVAL;
    if (errno == EINVAL || (uintmax_t)out->status.st_size > size_max)
        goto fail;
    size_t expected = (size_t)out->status.st_size;
    out->text = malloc(expected + 1);
    if (!out->text)
        goto fail;
    while (out->size < expected) {
        ssize_t got = read(fd, out->text + out->size, expected - out->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            goto fail;
        if (got == 0)
            break;
        out->size += (size_t)got;
    }
    out->text[out->size] = '\0';
    close(fd);
    return 0;

fail:;
    int why = errno;
    free(out->text);
    out->text = NULL;
    close(fd);
    errno = why;
    return -1;
}

bool next_text_line(const struct text_file *file, struct text_line *line)
{
    const char *file_end = file->text + file->size;
    line->start = line->number ? line->next : file->text;
    if (line->start >= file_end)
        return false;
    const char *newline = memchr(line->start, '\n', (size_t)(file_end - line->start));
    line->end = newline ? newline : file_end;
    line->next = newline ? newline + 1 : file_end;
    line->number++;
    return true;
}

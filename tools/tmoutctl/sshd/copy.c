#include "tools/tmoutctl/sshd/copy.h"

#include "lib/host/array.h"
#include "tools/tmoutctl/host/edit.h"
#include "tools/tmoutctl/sshd/text.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* As deep as sshd follows Include, and more files than any site has. */
enum { DEPTH_MAX = 16, FILES_MAX = 1000, FILE_SIZE_MAX = 128 * 1024 * 1024 };

struct copying {
    const struct host *host;
    struct sshd_copy *copy;
    int depth;
};

static int copy_file(struct copying *copying, const char *path);

static void copy_name(const struct sshd_copy *copy, size_t number, char *path, size_t size)
{
    snprintf(path, size, "%s/%zu", copy->directory, number);
}

/* Registers a copy of the file at path. Returns 0, or -1 with errno. */
static int copy_register(struct sshd_copy *copy, const char *path)
{
    char *origin = strdup(path);
    char **grown = origin != NULL ? array_grow(copy->origin, copy->count, sizeof *grown) : NULL;

    if (grown != NULL)
        copy->origin = grown;
    if (grown == NULL || copy->count >= FILES_MAX) {
        free(origin);
        errno = grown == NULL ? ENOMEM : ELOOP;
        return -1;
    }
    copy->origin[copy->count++] = origin;
    return 0;
}

/* Copies the files of one pattern, and adds their names to the Include line. */
static int copy_included(struct copying *copying, FILE *to, const char *pattern, bool *is_first)
{
    struct host_paths paths = {0};
    char name[PATH_MAX];
    int result = sshd_include_paths(copying->host, pattern, &paths);

    for (size_t i = 0; result == 0 && i < paths.count; i++) {
        copy_name(copying->copy, copying->copy->count, name, sizeof name);
        result = copy_file(copying, paths.item[i]);
        fprintf(to, "%s%s", *is_first ? "Include " : " ", name);
        *is_first = false;
    }
    const int saved = errno;
    host_paths_free(&paths);
    errno = saved;
    return result;
}

/* A line stays a line: sshd's messages count them. */
static int copy_line(struct copying *copying, FILE *to, const char *text)
{
    const char *rest;
    char pattern[PATH_MAX];
    size_t length;
    bool is_first = true;
    int result = 0;
    const char *keyword = sshd_line_keyword(text, &length, &rest);

    if (keyword == NULL || length != strlen("include") ||
        strncasecmp(keyword, "include", length) != 0) {
        fputs(text, to);
    } else {
        while (result == 0 && sshd_next_word(&rest, pattern, sizeof pattern))
            result = copy_included(copying, to, pattern, &is_first);
    }
    fputc('\n', to);
    return result;
}

static int copy_lines(struct copying *copying, FILE *to, struct text_file *file)
{
    int result = 0;

    for (struct text_line line = {0}; result == 0 && next_text_line(file, &line);) {
        file->text[line.end - file->text] = '\0'; /* in place of the newline */
        result = copy_line(copying, to, line.start);
    }
    return result;
}

static int copy_file(struct copying *copying, const char *path)
{
    struct text_file file;
    char name[PATH_MAX];

    copy_name(copying->copy, copying->copy->count, name, sizeof name);
    if (copying->depth > DEPTH_MAX) {
        errno = ELOOP;
        return -1;
    }
    if (copy_register(copying->copy, path) != 0 ||
        host_read_text(copying->host, path, 0, FILE_SIZE_MAX, &file) != 0)
        return -1;
    FILE *to = fopen(name, "wxe");
    copying->depth++;
    int result = to != NULL ? copy_lines(copying, to, &file) : -1;
    copying->depth--;
    const int saved = errno;
    if (to != NULL && fclose(to) != 0)
        result = -1;
    else
        errno = saved;
    free(file.text);
    return result;
}

int sshd_copy_make(const struct host *host, struct sshd_copy *copy, struct failure *failure)
{
    struct copying copying = {.host = host, .copy = copy};
    char name[] = "/tmp/tmoutctl.XXXXXX";

    if (mkdtemp(name) == NULL || (copy->directory = strdup(name)) == NULL) {
        failure_set(failure, "cannot create a directory in /tmp: %s", strerror(errno));
        return -1;
    }
    if (copy_file(&copying, sshd_config_path(host)) == 0)
        return 0;
    failure_set(failure, "cannot copy sshd's configuration: %s", strerror(errno));
    return -1;
}

const char *sshd_copy_origin(const struct sshd_copy *copy, const char *path)
{
    char name[PATH_MAX];

    for (size_t i = 0; i < copy->count; i++) {
        copy_name(copy, i, name, sizeof name);
        if (strcmp(name, path) == 0)
            return copy->origin[i];
    }
    return NULL;
}

/* The longest part of a message at text that is the path of a copy, into name. */
static void copy_name_at(const char *directory, const char *text, char *name, size_t size)
{
    const size_t length = strlen(directory) + strlen("/");

    snprintf(name, size, "%.*s", (int)(length + strspn(text + length, "0123456789")), text);
}

void sshd_copy_name_origins(const struct sshd_copy *copy, struct failure *failure)
{
    const struct failure said = *failure;
    const char *rest = said.text;
    char name[PATH_MAX];

    if (copy->directory == NULL)
        return;
    failure_set(failure, "%s", "");
    for (const char *at; (at = strstr(rest, copy->directory)) != NULL; rest = at + strlen(name)) {
        if (at[strlen(copy->directory)] != '/')
            snprintf(name, sizeof name, "%s", copy->directory);
        else
            copy_name_at(copy->directory, at, name, sizeof name);
        const char *origin = sshd_copy_origin(copy, name);
        failure_append(failure, "%.*s%s", (int)(at - rest), rest, origin != NULL ? origin : name);
    }
    failure_append(failure, "%s", rest);
}

void sshd_copy_path(const struct sshd_copy *copy, char *path, size_t size)
{
    copy_name(copy, 0, path, size);
}

void sshd_copy_remove(struct sshd_copy *copy)
{
    char name[PATH_MAX];

    for (size_t i = 0; i < copy->count; i++) {
        copy_name(copy, i, name, sizeof name);
        unlink(name);
        free(copy->origin[i]);
    }
    if (copy->directory != NULL)
        rmdir(copy->directory);
    free(copy->directory);
    free(copy->origin);
    *copy = (struct sshd_copy){0};
}

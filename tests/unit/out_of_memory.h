/*
 * Allocations that fail on demand. Test programs whose name ends in _memory are
 * linked so that the product's calls of these functions arrive here (see
 * Makefile); the C library's own do not. Valgrind and the sanitizers detect
 * wrong uses of memory on a failure path; memory that it forgets to free is
 * counted here.
 */
#ifndef TMOUT_TESTS_UNIT_OUT_OF_MEMORY_H
#define TMOUT_TESTS_UNIT_OUT_OF_MEMORY_H

#include "tests/unit/check.h"

#include <errno.h>
#include <string.h>

static struct {
    long before_failure; /* how many allocations still succeed; negative: all do */
    bool only_one;       /* later allocations succeed again */
    bool has_failed;
    long live; /* allocated and not yet freed */
} allocations = {.before_failure = -1};

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t length);
FILE *__real_open_memstream(char **text, size_t *size);
int __real_vasprintf(char **text, const char *format, va_list arguments);
void __real_free(void *memory);

/* Visible, as musl has libraries call them, too. */
#pragma GCC visibility push(default)
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t length);
FILE *__wrap_open_memstream(char **text, size_t *size);
int __wrap_vasprintf(char **text, const char *format, va_list arguments);
int __wrap_asprintf(char **text, const char *format, ...);
int __wrap___asprintf_chk(char **text, int flag, const char *format, ...);
int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list arguments);
void __wrap_free(void *memory);
#pragma GCC visibility pop

static bool allocation_fails(void)
{
    if (allocations.before_failure < 0 || allocations.before_failure-- > 0)
        return false;
    allocations.before_failure = allocations.only_one ? -1 : 0;
    allocations.has_failed = true;
    errno = ENOMEM;
    return true;
}

static void *allocated(void *memory)
{
    allocations.live += memory != NULL;
    return memory;
}

void *__wrap_malloc(size_t size)
{
    return allocation_fails() ? NULL : allocated(__real_malloc(size));
}

void *__wrap_calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : allocated(__real_calloc(count, size));
}

void *__wrap_realloc(void *old, size_t size)
{
    if (allocation_fails())
        return NULL;
    void *memory = __real_realloc(old, size);
    return old == NULL ? allocated(memory) : memory;
}

void *__wrap_reallocarray(void *old, size_t count, size_t size)
{
    if (allocation_fails())
        return NULL;
    void *memory = __real_reallocarray(old, count, size);
    return old == NULL ? allocated(memory) : memory;
}

char *__wrap_strdup(const char *text)
{
    return allocation_fails() ? NULL : allocated(__real_strdup(text));
}

char *__wrap_strndup(const char *text, size_t length)
{
    return allocation_fails() ? NULL : allocated(__real_strndup(text, length));
}

/* The caller frees the text once the stream is closed. */
FILE *__wrap_open_memstream(char **text, size_t *size)
{
    return allocation_fails() ? NULL : allocated(__real_open_memstream(text, size));
}

static int asprintf_or_fail(char **text, const char *format, va_list arguments)
{
    if (allocation_fails()) {
        *text = NULL;
        return -1;
    }
    const int length = __real_vasprintf(text, format, arguments);
    allocations.live += length >= 0;
    return length;
}

int __wrap_asprintf(char **text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    const int length = asprintf_or_fail(text, format, arguments);
    va_end(arguments);
    return length;
}

int __wrap___asprintf_chk(char **text, int flag, const char *format, ...)
{
    va_list arguments;

    (void)flag;
    va_start(arguments, format);
    const int length = asprintf_or_fail(text, format, arguments);
    va_end(arguments);
    return length;
}

int __wrap_vasprintf(char **text, const char *format, va_list arguments)
{
    return asprintf_or_fail(text, format, arguments);
}

int __wrap___vasprintf_chk(char **text, int flag, const char *format, va_list arguments)
{
    (void)flag;
    return asprintf_or_fail(text, format, arguments);
}

void __wrap_free(void *memory)
{
    allocations.live -= memory != NULL;
    __real_free(memory);
}

/* Does something, releases all memory, and returns 0, or -1 if memory ran out. */
typedef int out_of_memory_act(void *context);

/*
 * Runs it repeatedly, with another allocation failing each time: first that one
 * and all after it, then that one alone. A run with a failure must report it,
 * the last run must succeed, and none may leak memory. Returns the number of
 * allocations.
 */
__attribute__((unused)) static long with_each_allocation_failing(out_of_memory_act *act,
                                                                 void *context)
{
    long number = 0;

    for (int only_one = 0; only_one <= 1; only_one++) {
        for (number = 0;; number++) {
            const long live = allocations.live;
            allocations.before_failure = number;
            allocations.only_one = only_one;
            allocations.has_failed = false;
            const int result = act(context);
            allocations.before_failure = -1;
            if (allocations.live != live)
                fail_msg("allocation %ld failed, and %ld were not freed", number,
                         allocations.live - live);
            if (!allocations.has_failed) {
                assert_int_equal(result, 0);
                break;
            }
            if (result == 0)
                fail_msg("allocation %ld failed, but the function reported success", number);
        }
    }
    return number;
}

#endif

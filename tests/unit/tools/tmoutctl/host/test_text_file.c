/* Files of the system as text: whatever is in their place, and line by line. */
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/host/text_file.h"

#include <errno.h>

static void a_whole_file(void **state)
{
    char *path = path_in(*state, "file");
    struct text_file file;

    write_bytes(path, "a\0b\nc", 5);
    assert_int_equal(read_text_file(path, 0, &file), 0);
    assert_int_equal(file.size, 5);
    assert_memory_equal(file.text, "a\0b\nc", 6);
    assert_int_equal(file.status.st_size, 5);
    free(file.text);
    write_bytes(path, "", 0);
    assert_int_equal(read_text_file(path, 0, &file), 0);
    assert_int_equal(file.size, 0);
    assert_string_equal(file.text, "");
    free(file.text);
    free(path);
}

static void assert_unreadable(const char *path, int flags, int error)
{
    struct text_file file;

    assert_int_equal(read_text_file(path, flags, &file), -1);
    assert_int_equal(errno, error);
    assert_null(file.text);
}

static void what_is_not_a_file(void **state)
{
    char *file = path_in(*state, "file"), *link = path_in(*state, "link");
    char *fifo = path_in(*state, "fifo");

    assert_unreadable(file, 0, ENOENT);
    assert_unreadable(*state, 0, EINVAL);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_unreadable(fifo, 0, EINVAL);
    write_text(file, "x");
    assert_int_equal(symlink(file, link), 0);
    assert_unreadable(link, O_NOFOLLOW, ELOOP);
    assert_unreadable("/dev/zero", 0, EINVAL);
    free(fifo);
    free(link);
    free(file);
}

static void the_null_device_is_empty(void **state)
{
    char *link = path_in(*state, "link");
    struct text_file file;

    assert_int_equal(symlink("/dev/null", link), 0);
    assert_int_equal(read_text_file(link, 0, &file), 0);
    assert_int_equal(file.size, 0);
    assert_string_equal(file.text, "");
    free(file.text);
    assert_unreadable("/dev/null", O_NOFOLLOW, EINVAL);
    free(link);
}

static void files_of_the_largest_size(void **state)
{
    char *path = path_in(*state, "file");
    struct text_file file;

    write_text(path, "12345");
    assert_int_equal(read_large_text_file(path, 0, 5, &file), 0);
    free(file.text);
    assert_int_equal(read_large_text_file(path, 0, 4, &file), -1);
    assert_int_equal(errno, EFBIG);
    assert_null(file.text);
    assert_int_equal(truncate(path, 1024 * 1024), 0);
    assert_int_equal(read_text_file(path, 0, &file), 0);
    assert_int_equal(file.size, 1024 * 1024);
    free(file.text);
    assert_int_equal(truncate(path, 1024 * 1024 + 1), 0);
    assert_unreadable(path, 0, EFBIG);
    free(path);
}

static void assert_next(const struct text_file *file, struct text_line *line, unsigned number,
                        const char *text)
{
    assert_true(next_text_line(file, line));
    assert_int_equal(line->number, number);
    assert_int_equal(line->end - line->start, strlen(text));
    assert_memory_equal(line->start, text, strlen(text));
}

static void lines(void **state)
{
    char text[] = "one\n\nthree";
    struct text_file file = {.text = text, .size = strlen(text)};
    struct text_line line = {0};

    (void)state;
    assert_next(&file, &line, 1, "one");
    assert_next(&file, &line, 2, "");
    assert_next(&file, &line, 3, "three");
    assert_false(next_text_line(&file, &line));
    /* A newline at the end begins no further line. */
    file.size = strlen("one\n");
    line = (struct text_line){0};
    assert_next(&file, &line, 1, "one");
    assert_false(next_text_line(&file, &line));
    file.size = 0;
    line = (struct text_line){0};
    assert_false(next_text_line(&file, &line));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(a_whole_file),
        WITH_DIRECTORY(what_is_not_a_file),
        WITH_DIRECTORY(the_null_device_is_empty),
        WITH_DIRECTORY(files_of_the_largest_size),
        cmocka_unit_test(lines),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

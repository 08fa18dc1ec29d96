/* /etc/group, line by line, as the C library reads it. */
#include "tests/unit/check.h"

#include "lib/host/group_file.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int memory = -1;
static char memory_path[64];

static void write_group_file(const char *text, size_t length)
{
    assert_true(memory >= 0 && ftruncate(memory, 0) == 0);
    assert_int_equal(pwrite(memory, text, length, 0), length);
}

/* The same lines, the same members, as fgetgrent(3) has it. */
static unsigned assert_as_library(void)
{
    struct group_file file;
    struct group_line line;
    unsigned count = 0;

    FILE *stream = fopen(memory_path, "re");
    assert_non_null(stream);
    assert_int_equal(group_file_open(&file, memory_path), 0);
    for (int round = 0; round < 2; round++) {
        struct group *entry;
        rewind(stream);
        group_file_rewind(&file);
        while ((entry = fgetgrent(stream)) != NULL) {
            if (entry->gr_name[0] == '+' || entry->gr_name[0] == '-')
                continue;
            assert_int_equal(group_file_next(&file, &line), 1);
            assert_int_equal(line.name_length, strlen(entry->gr_name));
            assert_memory_equal(line.name, entry->gr_name, line.name_length);
            assert_int_equal(line.gid, entry->gr_gid);
            for (char **member = entry->gr_mem; *member != NULL; member++)
                assert_true(group_line_has(&line, *member));
            assert_false(group_line_has(&line, ""));
            assert_false(group_line_has(&line, "ki"));
            count++;
        }
        assert_int_equal(group_file_next(&file, &line), 0);
        assert_int_equal(group_file_next(&file, &line), 0);
    }
    group_file_close(&file);
    fclose(stream);
    return count / 2;
}

static void reads_what_the_library_reads(void **state)
{
    static const struct {
        const char *text;
        unsigned groups;
    } cases[] = {
        {"", 0},
        {"\n\n", 0},
        {"root:x:0:\n", 1},
#ifdef __GLIBC__ /* other libraries have their own idea of what is damaged */
        {"root:x:0:", 1},
        {"a:x:1:kim\nb:x:2:kim,lee\nc:x:3:lee,kim,\n", 3},
        {"a:x:1: kim, lee,,kim\n", 1},
        {"  a:x:1:kim\n\t# b:x:2:kim\n#c:x:3:kim\nd:x:4:kim\n", 2},
        {"a:x: 1:kim\nb:x:+2:kim\nc:x:3 :kim\nd:x:x:kim\ne:x::kim\n:x:7:kim\n", 3},
        {"a:x:4294967295:kim\nb:x:4294967296:kim\nc:x:99999999999999999999:kim\nd:x:-3:kim\n", 1},
        {"a:x:1\nb:x\nc\nd:x:\n", 1},
        {"a:x:007:kim\nb:x:999999999:kim\nc:x:1234567890:kim\nd:x:0000000001:kim\n", 4},
        {"a:x:1x:kim\nb:x:12345678x:kim\nc:x:1 2:kim\nd:x:123456789", 1},
        {"d:x:\n5:x:7:kim\ne:x: \n6\n", 1}, /* no number, and not that of the next line */
        {"+\n+:::\n-kim:::\n+@all:x:5:kim\na:x:1:kim\n", 1},
        {"a:x:1:kim:more\nb:!:2:kim\n", 2},
#endif
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_group_file(cases[i].text, strlen(cases[i].text));
        assert_int_equal(assert_as_library(), cases[i].groups);
    }
}

/* Longer than the memory at first, so that it is moved and grows. */
static void reads_long_lines_and_long_files(void **state)
{
    static char text[400 * 1024];
    size_t length = 0;

    (void)state;
    for (unsigned group = 0; group < 40; group++) {
        length += (size_t)sprintf(text + length, "g%u:x:%u:", group, 1000 + group);
        for (unsigned member = 0; member < (group % 7 == 0 ? 4000U : 100U); member++)
            length += (size_t)sprintf(text + length, "u%u,", member);
        length += (size_t)sprintf(text + length, "last\n");
    }
    write_group_file(text, length);
    assert_int_equal(assert_as_library(), 40);
}

static void leaves_out_groups_without_members(void **state)
{
    static const char text[] = "a:x:1:\nb:x:2:kim\nc:x:3\nd:x:\n:\ne:x:5:\nf:x:6:lee\ng:x:7:";
    static const char *const members[] = {"b", "c", "f"};
    struct group_file file;
    struct group_line line;

    (void)state;
    write_group_file(text, strlen(text));
    assert_int_equal(group_file_open(&file, memory_path), 0);
    file.skips_empty = true;
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        assert_int_equal(group_file_next(&file, &line), 1);
        assert_memory_equal(line.name, members[i], line.name_length);
    }
    assert_int_equal(group_file_next(&file, &line), 0);
    file.skips_empty = false;
    group_file_rewind(&file);
    assert_int_equal(group_file_next(&file, &line), 1);
    assert_memory_equal(line.name, "a", 1);
    group_file_close(&file);
}

static void has_no_groups_without_a_file(void **state)
{
    struct group_file file;
    struct group_line line;

    (void)state;
    assert_int_equal(group_file_open(&file, "/nowhere/group"), 0);
    assert_int_equal(group_file_next(&file, &line), 0);
    group_file_rewind(&file);
    group_file_close(&file);
    /* but an error is one */
    assert_int_equal(group_file_open(&file, "/proc/self/mem/group"), -1);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(group_file_open(&file, "/proc/self"), 0);
    assert_int_equal(group_file_next(&file, &line), -1);
    assert_int_equal(errno, EISDIR);
    group_file_close(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_the_library_reads),
        cmocka_unit_test(reads_long_lines_and_long_files),
        cmocka_unit_test(leaves_out_groups_without_members),
        cmocka_unit_test(has_no_groups_without_a_file),
    };

    memory = memfd_create("group", MFD_CLOEXEC);
    snprintf(memory_path, sizeof memory_path, "/proc/self/fd/%d", memory);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

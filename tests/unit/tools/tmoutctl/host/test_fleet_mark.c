/* Marks that unlock a user on all hosts: what is one, and which files hold a key. */
#include "tests/unit/temporary.h"

#include "tools/tmoutctl/host/fleet_mark.h"

#include <errno.h>

#define KEY "0123456789abcdef0123456789abcdef"

static struct fleet_unlock_key key_of(const char *text)
{
    struct fleet_unlock_key key = {.size = strlen(text)};

    memcpy(key.text, text, key.size);
    return key;
}

static struct fleet_mark a_mark(void)
{
    struct fleet_mark mark = {.unlocked_ms = 1795774782999, .user = "anna"};
    const struct fleet_unlock_key key = key_of(KEY);
    struct failure failure = {""};

    assert_int_equal(fleet_mark_sign(&key, &mark, &failure), 0);
    return mark;
}

static bool is_genuine(const struct fleet_mark *mark)
{
    const struct fleet_unlock_key key = key_of(KEY);

    return fleet_mark_is_genuine(&key, mark);
}

/* So that hosts with another version agree. From
 * printf 'pam_tmout unlock 1 1795774782999 anna' | openssl dgst -sha256 -hmac KEY */
static void the_code(void **state)
{
    static const unsigned char code[] = {0x1f, 0x65, 0xeb, 0x48, 0x28, 0x69, 0xc4, 0xb1,
                                         0xb6, 0x4e, 0xe3, 0xb5, 0x48, 0x25, 0xe4, 0xb5};
    const struct fleet_mark mark = a_mark();

    (void)state;
    assert_int_equal(sizeof code, FLEET_ID_SIZE);
    assert_memory_equal(mark.code, code, sizeof code);
}

/* Nobody can make one user's mark another's, or a later one. */
static void a_change_is_found(void **state)
{
    const struct fleet_unlock_key other = key_of("1123456789abcdef0123456789abcdef");
    struct fleet_mark mark = a_mark();

    (void)state;
    assert_true(is_genuine(&mark));
    assert_false(fleet_mark_is_genuine(&other, &mark));
    mark.unlocked_ms++;
    assert_false(is_genuine(&mark));
    mark = a_mark();
    mark.user[3] = 'e';
    assert_false(is_genuine(&mark));
    mark = a_mark();
    mark.user[4] = 'a';
    assert_false(is_genuine(&mark));
    /* digits of the time in front of the name */
    mark = (struct fleet_mark){.unlocked_ms = 17957747829, .user = "99 anna"};
    memcpy(mark.code, a_mark().code, sizeof mark.code);
    assert_false(is_genuine(&mark));
    for (unsigned i = 0; i < 8 * FLEET_ID_SIZE; i++) {
        mark = a_mark();
        mark.code[i / 8] ^= (unsigned char)(1U << i % 8);
        assert_false(is_genuine(&mark));
    }
}

/* Returns read()'s result; key's text goes into text, or the reason. */
static int read_key(const char *directory, char *text, size_t size)
{
    char *config = path_in(directory, "tmout.conf");
    const struct tmoutctl_context context = {.config_path = config};
    struct fleet_unlock_key key;
    struct failure failure = {""};

    const int result = fleet_unlock_key_read(&context, &key, &failure);
    if (result == 0)
        snprintf(text, size, "%.*s", (int)key.size, key.text);
    else
        snprintf(text, size, "%s", failure.text);
    free(config);
    return result;
}

static void the_key_is_a_line_of_a_file(void **state)
{
    char *path = path_in(*state, FLEET_UNLOCK_KEY_NAME), text[FAILURE_TEXT_MAX];

    assert_int_equal(read_key(*state, text, sizeof text), -1);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(text, path));
    write_text(path, KEY "\nmore\n");
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(read_key(*state, text, sizeof text), 0);
    assert_string_equal(text, KEY);
    write_text(path, KEY);
    assert_int_equal(read_key(*state, text, sizeof text), 0);
    assert_string_equal(text, KEY);
    free(path);
}

static void a_key_must_be_secret_and_long(void **state)
{
    char *path = path_in(*state, FLEET_UNLOCK_KEY_NAME), text[FAILURE_TEXT_MAX];

    write_text(path, KEY "\n");
    for (unsigned mode = 0604; mode <= 0640; mode += 034) {
        assert_int_equal(chmod(path, mode), 0);
        assert_int_equal(read_key(*state, text, sizeof text), -1);
        assert_non_null(strstr(text, "others than root can read it"));
    }
    assert_int_equal(chmod(path, 0600), 0);
    write_text(path, "0123456789abcdef0123456789abcde\n");
    assert_int_equal(read_key(*state, text, sizeof text), -1);
    assert_non_null(strstr(text, "too short"));
    write_text(path, "");
    assert_int_equal(read_key(*state, text, sizeof text), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(read_key(*state, text, sizeof text), -1);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_code),
        cmocka_unit_test(a_change_is_found),
        WITH_DIRECTORY(the_key_is_a_line_of_a_file),
        WITH_DIRECTORY(a_key_must_be_secret_and_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What a unit's sandbox does to a directory. */
#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/pam/unit.h"

#include <string.h>

#define STATE "/var/lib/tmout"
#define UNIT  "/usr/lib/systemd/system/x@.service"

static struct unit_sandbox read_unit(const char *root)
{
    const struct host host = {.root = root};
    struct unit_sandbox sandbox;

    assert_int_equal(unit_sandbox_read(&host, "x@.service", STATE, &sandbox), 1);
    return sandbox;
}

static void read_only(void **state)
{
    static const struct {
        const char *service;
        bool is_read_only;
    } cases[] = {
        {"", false},
        {"ProtectSystem=strict\n", true},
        {"ProtectSystem = strict\n", true},
        {"  ProtectSystem=strict  \n", true},
        {"#ProtectSystem=strict\n", false},
        {";ProtectSystem=strict\n", false},
        {"ProtectSystem=full\n", false},
        {"ProtectSystem=strict\nProtectSystem=full\n", false},
        {"[Install]\nProtectSystem=strict\n", false},
        {"ProtectSystem=strict\nReadWritePaths=/var/lib/tmout\n", false},
        {"ProtectSystem=strict\nReadWritePaths=-/var/lib/tmout/\n", false},
        {"ProtectSystem=strict\nReadWritePaths=/run -/var/lib\n", false},
        {"ProtectSystem=strict\nReadWritePaths=/var\n", false},
        {"ProtectSystem=strict\nReadWritePaths=/\n", false},
        {"ProtectSystem=strict\nReadWritePaths=/var/lib/tmout2 /var/lib/tmo /run\n", true},
        {"ProtectSystem=strict\nReadWritePaths=/var/lib/tmout/attempts\n", true},
        {"ProtectSystem=strict\nReadWritePaths=/var\nReadWritePaths=\n", true},
        {"ProtectSystem=strict\nStateDirectory=tmout\n", false},
        {"ProtectSystem=strict\nStateDirectory=other\n", true},
        {"ReadOnlyPaths=/var\n", true},
        {"InaccessiblePaths=/var/lib\n", true},
        {"ReadOnlyPaths=/var\nReadWritePaths=/var/lib/tmout\n", false},
        {"ReadOnlyPaths=/var/lib/tmout\nReadWritePaths=/var\n", true},
        {"ReadOnlyPaths=/etc\n", false},
    };
    char text[512];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        snprintf(text, sizeof text, "[Unit]\nProtectSystem=strict\n[Service]\n%s",
                 cases[i].service);
        put(*state, UNIT, text);
        if (read_unit(*state).is_read_only != cases[i].is_read_only)
            fail_msg("%s", cases[i].service);
    }
}

static void boot_id(void **state)
{
    put(*state, UNIT, "[Service]\nProcSubset=pid\n");
    assert_true(read_unit(*state).hides_boot_id);
    assert_false(read_unit(*state).is_read_only);
    put(*state, UNIT, "[Service]\nProcSubset=all\n");
    assert_false(read_unit(*state).hides_boot_id);
}

static void drop_ins_and_other_units(void **state)
{
    const struct host host = {.root = *state};
    struct unit_sandbox sandbox;

    assert_int_equal(unit_sandbox_read(&host, "x@.service", STATE, &sandbox), 0);
    put(*state, UNIT, "[Service]\nProtectSystem=strict\n");
    put(*state, "/etc/systemd/system/x@.service.d/tmout.conf",
        "[Service]\nReadWritePaths=" STATE "\n");
    put(*state, "/etc/systemd/system/x@.service.d/not-read", "[Service]\nReadWritePaths=\n");
    sandbox = read_unit(*state);
    assert_false(sandbox.is_read_only);
    assert_string_equal(sandbox.path, UNIT);
    put(*state, "/etc/systemd/system/x@.service.d/z.conf", "[Service]\nReadWritePaths=\n");
    assert_true(read_unit(*state).is_read_only);
    /* the site's own unit takes the place of the shipped one */
    put(*state, "/etc/systemd/system/x@.service", "[Service]\n");
    sandbox = read_unit(*state);
    assert_false(sandbox.is_read_only);
    assert_string_equal(sandbox.path, "/etc/systemd/system/x@.service");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(read_only),
        WITH_DIRECTORY(boot_id),
        WITH_DIRECTORY(drop_ins_and_other_units),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A host with bash, mksh, tcsh and dash, and our scripts as they are installed. */
#ifndef TMOUT_TESTS_UNIT_TOOLS_TMOUTCTL_SHELLS_SHELLS_TREE_H
#define TMOUT_TESTS_UNIT_TOOLS_TMOUTCTL_SHELLS_SHELLS_TREE_H

#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/shells/files.h"

static inline void put_shell(const char *root, const char *path)
{
    char *full = path_in(root, path + 1);

    put(root, path, "#!/bin/true\n");
    assert_int_equal(chmod(full, 0755), 0);
    free(full);
}

/* A file of profile.d/ in this source tree. */
static inline void put_installed(const char *root, const char *path, const char *source)
{
    char *from = path_in(TESTS "/../profile.d", source);
    size_t size;
    char *bytes = read_bytes(from, &size);

    put_bytes(root, path, bytes, size);
    free(bytes);
    free(from);
}

static inline void remove_in(const char *root, const char *path)
{
    char *full = path_in(root, path + 1);

    assert_int_equal(unlink(full), 0);
    free(full);
}

/* The text at path; NULL if there is no such file. To be freed. */
static inline char *text_in(const char *root, const char *path)
{
    char *full = path_in(root, path + 1);
    size_t size;
    char *text = access(full, F_OK) == 0 ? read_bytes(full, &size) : NULL;

    free(full);
    return text;
}

static inline void assert_text_in(const char *root, const char *path, const char *expected)
{
    char *text = text_in(root, path);

    if (expected == NULL) {
        assert_null(text);
    } else {
        assert_non_null(text);
        assert_string_equal(text, expected);
    }
    free(text);
}

static inline int shells_tree_make(void **state)
{
    if (temporary_make(state) != 0)
        return -1;
    put(*state, "/etc/shells", "# shells\n/bin/bash\n /bin/dash # small\n\nbin/no\n/\n/bin/gone\n");
    put_shell(*state, "/bin/bash");
    put_shell(*state, "/bin/dash");
    put_shell(*state, "/bin/mksh");
    put_shell(*state, "/usr/local/bin/tcsh");
    put(*state, PROFILE, "for i in /etc/profile.d/*.sh; do . $i; done\n");
    put(*state, "/etc/bash.bashrc", "PS1='$ '\n");
    put_installed(*state, PROFILE_SH, "tmout.sh");
    put_installed(*state, PROFILE_CSH, "tmout.csh");
    for (const struct rc_file *rc = rc_files; rc->path != NULL; rc++) {
        char source[64];
        snprintf(source, sizeof source, "shells%s", strrchr(rc->fragment, '/'));
        put_installed(*state, rc->fragment, source);
    }
    return 0;
}

#define WITH_SHELLS(test) cmocka_unit_test_setup_teardown(test, shells_tree_make, temporary_remove)

#endif

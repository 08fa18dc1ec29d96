/* Modules of libpam on a host in a temporary tree, where tmoutctl looks for them. */
#ifndef TMOUT_TESTS_UNIT_PUT_MODULE_H
#define TMOUT_TESTS_UNIT_PUT_MODULE_H

#include "tests/unit/host_tree.h"

#include "tools/tmoutctl/audit/areas.h"

/* Installs the module, as an empty file beside ours; name is without pam_ and .so. */
static inline void put_module(const char *root, const char *name)
{
    const int directory = (int)(strrchr(audit_module_path, '/') - audit_module_path);
    char *path = NULL;

    assert_true(asprintf(&path, "%.*s/pam_%s.so", directory, audit_module_path, name) > 0);
    put(root, path, "");
    free(path);
}

#endif

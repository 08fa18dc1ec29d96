/* Which sources of a name service's database can be asked. */
#include "tests/unit/check.h"

#include "tools/tmoutctl/host/nss_sources.h"

static void knows_what_is_installed(void **state)
{
    (void)state;
    assert_true(nss_source_installed("files"));
    assert_false(nss_source_installed("nobody_has_this"));
}

/* This machine may have a line for it or not; no machine has the other one. */
static void has_files_where_nothing_is_said(void **state)
{
    struct nss_sources sources;

    (void)state;
#ifdef __GLIBC__
    assert_true(nss_sources_read("nothing_like_this", &sources));
    assert_int_equal(sources.count, 1);
    assert_string_equal(sources.source[0].name, "files");
#else /* the library has no sources to ask */
    assert_false(nss_sources_read("nothing_like_this", &sources));
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_is_installed),
        cmocka_unit_test(has_files_where_nothing_is_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

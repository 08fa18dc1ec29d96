/* The table of things by number. */
#include "tests/unit/check.h"

#include "lib/host/map.h"

static void empty(void **state)
{
    struct map map = {0};

    (void)state;
    assert_null(map_find(&map, 0));
    map_remove(&map, 7);
    map_free(&map);
}

static void found_replaced_removed(void **state)
{
    struct map map = {0};
    int a, b;

    (void)state;
    assert_true(map_put(&map, 0, &a));
    assert_true(map_put(&map, UINT64_MAX, &b));
    assert_ptr_equal(map_find(&map, 0), &a);
    assert_ptr_equal(map_find(&map, UINT64_MAX), &b);
    assert_null(map_find(&map, 1));
    assert_true(map_put(&map, 0, &b));
    assert_ptr_equal(map_find(&map, 0), &b);
    assert_int_equal(map.count, 2);
    map_remove(&map, 0);
    map_remove(&map, 0);
    assert_null(map_find(&map, 0));
    assert_int_equal(map.count, 1);
    map_free(&map);
}

/* Against a plain array, with keys that come and go in a fixed disorder. */
static void as_an_array_does(void **state)
{
    enum { KEYS = 512, STEPS = 20000 };
    static bool present[KEYS];
    static char thing[KEYS];
    struct map map = {0};
    uint32_t random = 1;

    (void)state;
    for (int step = 0; step < STEPS; step++) {
        random = random * 1664525 + 1013904223;
        const uint32_t key = random >> 16 & (KEYS - 1);
        if (random >> 30 == 0)
            map_remove(&map, key);
        else
            assert_true(map_put(&map, key, &thing[key]));
        present[key] = random >> 30 != 0;
        if (step % 100 != 0)
            continue;
        for (uint32_t i = 0; i < KEYS; i++)
            assert_ptr_equal(map_find(&map, i), present[i] ? &thing[i] : NULL);
    }
    map_free(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty),
        cmocka_unit_test(found_replaced_removed),
        cmocka_unit_test(as_an_array_does),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

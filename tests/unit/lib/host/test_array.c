/* Arrays that grow by one item at a time. */
#include "tests/unit/check.h"

#include "lib/host/array.h"

#include <errno.h>
#include <string.h>

/* The sanitizers and valgrind notice an item beyond the end. */
static void keeps_items(void **state)
{
    size_t *item = NULL, count = 0;
    unsigned moves = 0;

    (void)state;
    while (count < 1000) {
        size_t *grown = array_grow(item, count, sizeof *item);
        assert_non_null(grown);
        moves += count == 0 || (count >= ARRAY_ITEMS_INITIAL && (count & (count - 1)) == 0);
        item = grown;
        item[count] = count;
        count++;
    }
    for (size_t i = 0; i < count; i++)
        assert_int_equal(item[i], i);
    assert_int_equal(moves, 8); /* 8, 16, 32 ... 1024 items */
    free(item);
}

/* Items may be removed in between: there is still room for one more. */
static void grows_after_shrinking(void **state)
{
    char(*item)[64] = NULL;
    size_t count = 0;

    (void)state;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 40; i++) {
            void *grown = array_grow(item, count, sizeof *item);
            assert_non_null(grown);
            item = grown;
            memset(item[count++], round, sizeof *item);
        }
        count = (size_t)round * 3;
    }
    free(item);
}

/* volatile, since the compiler must not know that this size is impossible. */
static volatile size_t huge = SIZE_MAX / 8;

static void fails_if_too_large(void **state)
{
    void *volatile item = array_grow(NULL, 0, 1); /* volatile: gcc assumes success */

    (void)state;
    assert_non_null(item);
    memset(item, 'x', ARRAY_ITEMS_INITIAL);
    errno = 0;
    if (array_grow(item, ARRAY_ITEMS_INITIAL, huge) != NULL)
        fail_msg("allocated more memory than there is");
    assert_int_equal(errno, ENOMEM);
    assert_memory_equal(item, "xxxxxxxx", ARRAY_ITEMS_INITIAL); /* unchanged */
    free(item);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_items),
        cmocka_unit_test(grows_after_shrinking),
        cmocka_unit_test(fails_if_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Converting times of one boot to those of another. */
#include "tests/unit/check.h"

#include "lib/host/clock.h"

#include <string.h>
#include <time.h>

/* A time on boot number boot, after boot_ms of uptime, with the wall clock at
 * wall_ms. */
static struct timestamp timestamp(unsigned char boot, int64_t boot_ms, int64_t wall_ms)
{
    return (struct timestamp){.boot_id = {boot, 1, 2, 3}, .boot_ms = boot_ms, .wall_ms = wall_ms};
}

/* Within a boot the wall clock does not matter. */
static void same_boot_ignores_the_wall_clock(void **state)
{
    static const int64_t wall[] = {INT64_MIN, -1, 0, 1000, 1999999999999, INT64_MAX};
    static const int64_t time[] = {INT64_MIN, -5, 0, 1, 77, INT64_MAX};

    (void)state;
    for (size_t w = 0; w < COUNT_OF(wall); w++) {
        for (size_t t = 0; t < COUNT_OF(time); t++) {
            const struct timestamp then = timestamp(1, 5000, 1000),
                                   now = timestamp(1, 9000, wall[w]);
            assert_true(clock_translate_ms(time[t], &then, &now) == time[t]);
        }
    }
}

/* How long ago boot_ms was, as seen from now. */
static int64_t ago_ms(int64_t boot_ms, struct timestamp then, struct timestamp now)
{
    return now.boot_ms - clock_translate_ms(boot_ms, &then, &now);
}

/* Each time is 100 ms before then. */
static void translates_across_a_reboot(void **state)
{
    (void)state;
    /* by the wall clock */
    assert_int_equal(ago_ms(900, timestamp(1, 1000, 50000), timestamp(2, 300, 57000)), 7100);
    assert_int_equal(ago_ms(900, timestamp(1, 1000, 50000), timestamp(2, 300, 50300)), 400);
    /* but at least the uptime has passed */
    assert_int_equal(ago_ms(900, timestamp(1, 1000, 50000), timestamp(2, 300, 50299)), 400);
    assert_int_equal(ago_ms(900, timestamp(1, 1000, 50000), timestamp(2, 300, 50000)), 400);
    assert_int_equal(ago_ms(900, timestamp(1, 1000, 50000), timestamp(2, 300, 10)), 400);
    /* and never a negative time */
    assert_int_equal(ago_ms(900, timestamp(1, 1000, 50000), timestamp(2, 0, 49999)), 100);
    assert_int_equal(ago_ms(900, timestamp(1, 1000, 50000), timestamp(2, 0, -50000)), 100);
    /* a wall clock that was set forward */
    assert_int_equal(ago_ms(900, timestamp(1, 1000, 50000), timestamp(2, 300, 1050000)), 1000100);
    /* the result may be before that boot */
    const struct timestamp then = timestamp(1, 1000, 50000), now = timestamp(2, 300, 57000);
    assert_int_equal(clock_translate_ms(900, &then, &now), 300 - 7100);
}

/* A boot id that differs in a single bit means another boot. */
static void every_bit_of_the_boot_id_matters(void **state)
{
    const struct timestamp then = timestamp(1, 1000, 50000);

    (void)state;
    for (size_t bit = 0; bit < 8 * (size_t)BOOT_ID_SIZE; bit++) {
        struct timestamp now = timestamp(1, 300, 57000);
        now.boot_id[bit / 8] ^= (unsigned char)(1U << bit % 8);
        assert_int_equal(clock_translate_ms(900, &then, &now), 300 - 7100);
    }
}

/* Times keep their order and distance. */
static void keeps_order_and_distance(void **state)
{
    static const int64_t wall[] = {-70000, 0, 49999, 50000, 50001, 60000, 5000000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(wall); i++) {
        const struct timestamp then = timestamp(1, 1000, 50000), now = timestamp(2, 300, wall[i]);
        for (int64_t t = -3000; t <= 1000; t += 250)
            assert_int_equal(clock_translate_ms(1000, &then, &now) -
                                 clock_translate_ms(t, &then, &now),
                             1000 - t);
    }
}

/* Wall clocks that differ by more than 64 bits can hold are ignored. */
static void ignores_wall_clocks_that_are_too_far_apart(void **state)
{
    (void)state;
    assert_int_equal(ago_ms(900, timestamp(1, 1000, INT64_MIN), timestamp(2, 300, INT64_MAX)), 400);
    assert_int_equal(ago_ms(900, timestamp(1, 1000, -2), timestamp(2, 300, INT64_MAX)), 400);
    assert_int_equal(ago_ms(900, timestamp(1, 1000, INT64_MAX), timestamp(2, 300, INT64_MIN)), 400);
    assert_int_equal(ago_ms(900, timestamp(1, 1000, INT64_MAX), timestamp(2, 300, 0)), 400);
    /* the longest time that a kernel clock with 64 bits of ns can show */
    const int64_t most_ms = INT64_MAX / 1000000;
    assert_true(ago_ms(0, timestamp(1, 1000, 0), timestamp(2, 300, most_ms)) == most_ms + 1000);
}

/* Times that only a corrupt file contains: the result stays within bounds, on
 * the correct side of now, and is never INT64_MIN, which means "never"
 * elsewhere. */
static void keeps_absurd_times_in_bounds(void **state)
{
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN / 2, -1,       0,
                                    1,         INT64_MAX / 2, INT64_MAX - 1, INT64_MAX};
    const struct timestamp now = timestamp(2, 1000, 0);
    struct timestamp then = timestamp(1, -5000, INT64_MAX);

    (void)state;
    assert_true(clock_translate_ms(INT64_MAX, &then, &now) == INT64_MAX);
    then.boot_ms = 5000;
    assert_true(clock_translate_ms(INT64_MIN, &then, &now) == INT64_MIN + 1);
    then.boot_ms = INT64_MIN;
    assert_true(clock_translate_ms(0, &then, &now) == INT64_MAX);
    then.boot_ms = INT64_MAX;
    assert_true(clock_translate_ms(-3, &then, &now) == INT64_MIN + 1);
    for (size_t t = 0; t < COUNT_OF(times); t++) {
        for (size_t b = 0; b < COUNT_OF(times); b++) {
            for (size_t w = 0; w < COUNT_OF(times); w++) {
                then = timestamp(1, times[b], times[w]);
                const int64_t at = clock_translate_ms(times[t], &then, &now);
                assert_true(at > INT64_MIN);
                /* not after then, so before this boot */
                if (times[t] <= times[b])
                    assert_true(at <= 0);
            }
        }
    }
}

static void elapsed_time(void **state)
{
    (void)state;
    assert_int_equal(clock_elapsed_ms(100, 350), 250);
    assert_int_equal(clock_elapsed_ms(350, 100), -250);
    assert_true(clock_elapsed_ms(INT64_MIN, 5) == INT64_MAX);
    assert_true(clock_elapsed_ms(INT64_MIN, INT64_MAX) == INT64_MAX);
    assert_true(clock_elapsed_ms(INT64_MIN + 1, 0) == INT64_MAX);
    assert_true(clock_elapsed_ms(INT64_MAX, -2) == INT64_MIN + 1);
    assert_true(clock_elapsed_ms(INT64_MAX, INT64_MIN) == INT64_MIN + 1);
    assert_true(clock_elapsed_ms(INT64_MAX, INT64_MAX) == 0);
}

static void reads_the_clock(void **state)
{
    struct timestamp first, second;
    struct timespec before, after;
    struct failure failure = {""};
    static const unsigned char none[BOOT_ID_SIZE];

    (void)state;
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &before), 0);
    assert_int_equal(clock_now(&first, &failure), 0);
    assert_int_equal(clock_now(&second, &failure), 0);
    assert_int_equal(clock_gettime(CLOCK_BOOTTIME, &after), 0);
    assert_memory_equal(first.boot_id, second.boot_id, BOOT_ID_SIZE);
    assert_memory_not_equal(first.boot_id, none, BOOT_ID_SIZE);
    assert_true(first.boot_ms >= before.tv_sec * 1000 + before.tv_nsec / 1000000);
    assert_true(second.boot_ms >= first.boot_ms);
    assert_true(second.boot_ms <= after.tv_sec * 1000 + after.tv_nsec / 1000000);
    /* the wall clock may be stepped, but not by ten years during the test */
    assert_true(first.wall_ms / 1000 > time(NULL) - 10 * 365 * 86400);
    assert_true(first.wall_ms / 1000 < time(NULL) + 10 * 365 * 86400);
}

/* The id is the one that the kernel shows, digit by digit. */
static void reads_the_boot_id(void **state)
{
    char text[64] = "", digits[2 * BOOT_ID_SIZE + 1] = "";
    struct timestamp now;
    struct failure failure = {""};
    size_t n = 0;
    FILE *from = fopen("/proc/sys/kernel/random/boot_id", "re");

    (void)state;
    if (from == NULL)
        LEFT_OUT("this kernel does not provide a boot id");
    assert_non_null(fgets(text, sizeof text, from));
    fclose(from);
    for (const char *p = text; *p != '\0' && n < sizeof digits - 1; p++)
        if (*p != '-' && *p != '\n')
            digits[n++] = *p;
    assert_int_equal(clock_now(&now, &failure), 0);
    for (size_t i = 0; i < BOOT_ID_SIZE; i++) {
        char two[3];
        snprintf(two, sizeof two, "%02x", (unsigned)now.boot_id[i]);
        assert_memory_equal(two, digits + 2 * i, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_boot_ignores_the_wall_clock),
        cmocka_unit_test(translates_across_a_reboot),
        cmocka_unit_test(keeps_order_and_distance),
        cmocka_unit_test(every_bit_of_the_boot_id_matters),
        cmocka_unit_test(ignores_wall_clocks_that_are_too_far_apart),
        cmocka_unit_test(reads_the_clock),
        cmocka_unit_test(reads_the_boot_id),
        cmocka_unit_test(keeps_absurd_times_in_bounds),
        cmocka_unit_test(elapsed_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

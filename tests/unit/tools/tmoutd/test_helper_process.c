/* Whether a helper is kept waiting by what it looks at, or by a busy host. */
#include "tests/unit/check.h"

#include "tools/tmoutd/helper_process.h"

enum { MS = 1000 * 1000 };

static void what_it_waits_for(void **state)
{
    static const struct {
        const char *what;
        struct helper_cpu then, now;
        int64_t since_ms, waited_ms;
    } row[] = {
        {"it has had no processor since",
         {100, {5, 2 * MS, 3}, true},
         {125, {5, 2 * MS, 3}, true},
         90,
         25},
        {"just forked", {100, {0, 0, 0}, true}, {125, {0, 0, 0}, true}, 100, 25},
        {"it sleeps, and did not run",
         {100, {5, 2 * MS, 3}, false},
         {125, {5, 2 * MS, 3}, false},
         90,
         0},
        {"it has fallen asleep", {100, {5, 2 * MS, 3}, true}, {125, {5, 2 * MS, 3}, false}, 90, 0},
        {"it has just woken up", {100, {5, 2 * MS, 3}, false}, {125, {5, 2 * MS, 3}, true}, 90, 0},
        {"it has the processor, all the time",
         {100, {5, 0, 3}, true},
         {125, {20 * MS, 0, 3}, true},
         90,
         0},
        {"it got one after a while",
         {100, {5, 0, 3}, true},
         {125, {4 * MS, 21 * MS, 4}, true},
         90,
         21},
        {"and sleeps since", {100, {5, 0, 3}, true}, {125, {4 * MS, 10 * MS, 4}, false}, 90, 10},
        {"it waited even before",
         {100, {5, 0, 3}, true},
         {125, {4 * MS, 60 * MS, 4}, true},
         90,
         25},
        {"in many turns", {100, {5, 0, 3}, true}, {125, {9 * MS, 16 * MS, 30}, true}, 90, 16},
        {"the first look, while it waits",
         {100, {5, 0, 3}, true},
         {125, {9 * MS, 3 * MS, 30}, true},
         110,
         15},
        {"the first look, while it sleeps",
         {100, {5, 0, 3}, true},
         {125, {9 * MS, 3 * MS, 30}, false},
         110,
         0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(row); i++) {
        const int64_t waited_ms = helper_cpu_waited_ms(&row[i].then, &row[i].now, row[i].since_ms);
        if (waited_ms != row[i].waited_ms)
            fail_msg("%s: %d ms", row[i].what, (int)waited_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_waits_for)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

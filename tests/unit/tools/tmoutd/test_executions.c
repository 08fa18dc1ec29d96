/* Programs that are executed, by the processes that do so. */
#include "tests/unit/child.h"
#include "tests/unit/temporary.h"

#include "tools/tmoutd/executions.h"

#include <signal.h>

enum { REPORTED_MAX = 64 };

static struct {
    struct executions executions;
    sd_event *event;
    pid_t reported[REPORTED_MAX];
    size_t count;
} scene;

static void on_executed(void *context, pid_t pid)
{
    assert_ptr_equal(context, &scene);
    assert_true(scene.count < REPORTED_MAX);
    scene.reported[scene.count++] = pid;
}

static void scene_begin(void)
{
    memset(&scene, 0, sizeof scene);
    assert_true(sd_event_new(&scene.event) >= 0);
    executions_open(&scene.executions, scene.event, on_executed, &scene);
}

static void scene_end(void)
{
    executions_close(&scene.executions);
    sd_event_unref(scene.event);
}

static pid_t execute(const char *path)
{
    const pid_t pid = child_begin();

    if (pid == 0) {
        execl(path, "true", (char *)NULL); /* BusyBox goes by that name */
        _exit(1);
    }
    assert_true(child_end(pid));
    return pid;
}

/* Reading the file is none, and neither is executing another one. */
static void by_process(void **state)
{
    char *watched = path_in(*state, "watched"), *other = path_in(*state, "other");
    size_t size;

    scene_begin();
    for (int i = 0; i < 2; i++) {
        char *bytes = read_bytes("/bin/true", &size);
        write_bytes(i == 0 ? watched : other, bytes, size);
        assert_int_equal(chmod(i == 0 ? watched : other, 0755), 0);
        free(bytes);
    }
    if (!executions_watch(&scene.executions, watched)) {
        scene_end();
        free(watched);
        free(other);
        LEFT_OUT("the kernel reports no executions here");
    }
    free(read_bytes(watched, &size));
    execute(other);
    const pid_t pid[] = {execute(watched), execute(watched)};
    while (sd_event_run(scene.event, 0) > 0)
        continue;
    assert_int_equal(scene.count, 2);
    assert_int_equal(scene.reported[0], pid[0]);
    assert_int_equal(scene.reported[1], pid[1]);
    scene_end();
    free(watched);
    free(other);
}

static void what_is_not_there(void **state)
{
    char *path = path_in(*state, "missing");

    scene_begin();
    assert_false(executions_watch(&scene.executions, path));
    executions_close(&scene.executions);
    assert_false(executions_watch(&scene.executions, "/bin/true"));
    scene_end();
    free(path);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(by_process),
        WITH_DIRECTORY(what_is_not_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

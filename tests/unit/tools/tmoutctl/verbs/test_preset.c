/* tmoutctl preset: the list, one preset, and unknown names. */
#include "tests/unit/host_tree.h"
#include "tests/unit/tools/tmoutctl/captured.h"

#include "tools/tmoutctl/host/preset_file.h"
#include "tools/tmoutctl/verbs/verbs.h"

static void put_presets(const char *root)
{
    put(root, PRESET_DIR "/cis.conf", "# CIS, level 1\n\ndefault { tmout = 15m }\n");
    put(root, PRESET_DIR "/stig.conf", "#\t STIG\r\ndefault { }\n");
    put(root, PRESET_DIR "/README", "no preset\n");
    put(root, PRESET_DIR "/.hidden.conf", "# none\n");
}

static void the_list(void **state)
{
    struct verb_place place;

    place_open(&place, *state, NULL);
    put_presets(*state);
    assert_verb(&verb_preset, &place.context, NULL, TMOUTCTL_FINE,
                "cis              CIS, level 1\nstig             STIG\n", "");
    const struct verb_arguments none = {.operand = NULL};
    json_t *answer = verb_json(&verb_preset, &place.context, &none);
    const json_t *presets = json_object_get(answer, "presets");
    assert_int_equal(json_array_size(presets), 2);
    assert_string_equal(json_text_at(json_array_get(presets, 0), "name"), "cis");
    assert_string_equal(json_text_at(json_array_get(presets, 1), "title"), "STIG");
    assert_null(json_object_get(json_array_get(presets, 0), "text"));
    json_decref(answer);
    place_close(&place);
}

static void one(void **state)
{
    const struct verb_arguments cis = {.operand = "cis"};
    struct verb_place place;

    place_open(&place, *state, NULL);
    put_presets(*state);
    assert_verb(&verb_preset, &place.context, "cis", TMOUTCTL_FINE,
                "# CIS, level 1\n\ndefault { tmout = 15m }\n", "");
    json_t *answer = verb_json(&verb_preset, &place.context, &cis);
    assert_string_equal(json_text_at(answer, "title"), "CIS, level 1");
    assert_string_equal(json_text_at(answer, "text"),
                        "# CIS, level 1\n\ndefault { tmout = 15m }\n");
    json_decref(answer);
    place_close(&place);
}

static void assert_fails(const struct verb_place *place, const char *name, const char *why)
{
    struct captured captured;

    assert_int_equal(verb_run(&verb_preset, &place->context, name, &captured), TMOUTCTL_FAILURE);
    assert_string_equal(captured.out, "");
    assert_contains(captured.err, why);
    captured_free(&captured);
}

static void unknown_presets(void **state)
{
    static char large[70 * 1024];
    char loop[128];
    struct verb_place place;
    char *link = path_in(*state, PRESET_DIR "/link.conf"), *long_root = NULL;

    place_open(&place, *state, NULL);
    assert_fails(&place, NULL, PRESET_DIR ": No such file or directory\n");
    assert_fails(&place, "cis", PRESET_DIR ": No such file or directory\n");
    put_presets(*state);
    assert_fails(&place, "../cis", "tmoutctl: unknown preset \"../cis\"");
    assert_fails(&place, "ci", "did you mean \"cis\"");
    assert_fails(&place, "", "(available: cis, stig)");
    put_directory(*state, PRESET_DIR "/dir.conf");
    assert_fails(&place, "dir", "dir.conf: Invalid argument\n");
    assert_fails(&place, NULL, "dir.conf: Invalid argument\n");
    assert_int_equal(symlink("cis.conf", link), 0);
    snprintf(loop, sizeof loop, "link.conf: %s", strerror(ELOOP));
    assert_fails(&place, "link", loop);
    memset(large, '#', sizeof large - 1);
    put(*state, PRESET_DIR "/large.conf", large);
    assert_fails(&place, "large", "large.conf: File too large\n");
    assert_true(asprintf(&long_root, "/%04095d", 0) > 0);
    place.context.host.root = long_root;
    assert_fails(&place, "cis", "path too long\n");
    free(long_root);
    free(link);
    place_close(&place);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        WITH_DIRECTORY(the_list),
        WITH_DIRECTORY(one),
        WITH_DIRECTORY(unknown_presets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

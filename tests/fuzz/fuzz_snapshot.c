/*
 * Fuzzes the reader of snapshots, which runs inside sshd on whatever is on
 * disk. The first letter of the input says how the rest becomes a snapshot:
 *
 *   p  patches (offset, length, bytes) to a valid one, with correct
 *      checksums, so that the checks after them are reached
 *   c  the bytes themselves, with correct checksums
 *   d  one damage to a valid one: from, to, a byte to fill with; or truncation
 *   l  the same while it is open, as if someone wrote to the file
 *   else: the bytes themselves
 *
 * Whatever the bytes are, a call may fail only by its return value, and may not
 * return a value that a policy cannot contain. After d and l each result must
 * be the original one or "damaged": never another rule, and never "no rule",
 * because that would switch enforcement off.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/policy/resolve.h"
#include "lib/policy/snapshot_read.h"
#include "lib/policy/snapshot_write.h"
#include "lib/policy/snapshot_format.h"
#include "lib/host/failure.h"

#include <stdbool.h>

#define CONFIG_PATH "/nonexistent/tmout.conf"

enum { GROUPS = 40, USERS = 12, RULES = 1 + GROUPS + USERS };

static struct rule rule[RULES];
static struct source source[] = {
    {.path = CONFIG_PATH}, {.path = CONFIG_PATH ".d"}, {.path = CONFIG_PATH ".d/site.conf"}};
static const struct source_set sources = {source, 3};

/* The results from the undamaged snapshot. */
static struct answer {
    int found;
    struct snapshot_rule rule;
} expected[RULES];

static unsigned char *valid_image;
static size_t valid_size;

/* --- the snapshot -------------------------------------------------------- */

static void make_rule(size_t number)
{
    struct rule *r = &rule[number];
    char name[32] = "";

    r->kind = number == 0 ? RULE_DEFAULT : number <= GROUPS ? RULE_GROUP : RULE_USER;
    if (r->kind != RULE_DEFAULT)
        snprintf(name, sizeof name, "%s%zu", rule_kind_word(r->kind), number);
    r->name = strdup(name);
    MUST(r->name != NULL);
    r->setting[SETTING_TMOUT] = (struct rule_setting){true, 60 + (int64_t)number, 0, 2};
    if (number % 2 == 0)
        r->setting[SETTING_ENFORCE] = (struct rule_setting){true, 1, 2, 3};
    if (r->kind != RULE_DEFAULT)
        return;
    r->text = strdup("session:shell=10m");
    MUST(r->text != NULL);
    r->setting[SETTING_CHANNEL_TIMEOUT] =
        (struct rule_setting){true, (int64_t)strlen(r->text), 2, 4};
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const struct policy policy = {rule, RULES};
    struct snapshot snapshot;
    struct failure failure = {""};

    (void)argc;
    (void)argv;
    for (size_t i = 0; i < RULES; i++)
        make_rule(i);
    MUST(snapshot_encode(&(struct snapshot_content){SNAPSHOT_POLICY, &sources, &policy, "", 1},
                         &valid_image, &valid_size) == 0);
    MUST(snapshot_open_fd(fuzz_file(valid_image, valid_size), SNAPSHOT_POLICY, &snapshot,
                          &failure) == SNAPSHOT_OK);
    for (size_t i = 0; i < RULES; i++) {
        expected[i].found = snapshot_find(&snapshot, rule[i].kind, rule[i].name, &expected[i].rule);
        MUST(expected[i].found == 1);
    }
    snapshot_close(&snapshot);
    return 0;
}

/* --- checksums ----------------------------------------------------------- */

static bool inside(size_t size, uint64_t offset, uint64_t length)
{
    return offset <= size && length <= size - offset;
}

static void fix_rule(unsigned char *image, size_t size, const struct file_slot *slot)
{
    uint64_t sum;

    if (slot->size < sizeof(struct file_rule) || slot->size > RULE_SIZE_MAX ||
        !inside(size, slot->offset, slot->size))
        return;
    sum = checksum(CHECKSUM_START, image + slot->offset + sizeof sum, slot->size - sizeof sum);
    memcpy(image + slot->offset, &sum, sizeof sum);
}

/* Corrects the rules to which a bucket leads, then the bucket. */
static void fix_bucket(unsigned char *image, size_t size, uint64_t offset, uint64_t number)
{
    struct file_bucket bucket;

    memcpy(&bucket, image + offset, sizeof bucket);
    for (size_t i = 0; i < BUCKET_SLOTS; i++)
        fix_rule(image, size, &bucket.slot[i]);
    memcpy(&bucket, image + offset, sizeof bucket); /* a rule may have overlapped it */
    bucket.checksum = CHECKSUM_OF(CHECKSUM_START ^ number, bucket);
    memcpy(image + offset, &bucket, sizeof bucket);
}

static void fix_checksums(unsigned char *image, size_t size)
{
    struct file_header header;

    if (size < sizeof header)
        return;
    memcpy(&header, image, sizeof header);
    for (uint64_t i = 0; i < header.bucket_count; i++) {
        const uint64_t offset = header.bucket_offset + i * sizeof(struct file_bucket);
        if (!inside(size, offset, sizeof(struct file_bucket)))
            break;
        fix_bucket(image, size, offset, i);
    }
    memcpy(&header, image, sizeof header);
    header.file_size = size;
    if (inside(size, sizeof header, header.block_size))
        header.block_checksum = checksum(CHECKSUM_START, image + sizeof header, header.block_size);
    header.body_checksum = checksum(CHECKSUM_START, image + sizeof header, size - sizeof header);
    header.checksum = CHECKSUM_OF(CHECKSUM_START, header);
    memcpy(image, &header, sizeof header);
}

/* --- lookups ------------------------------------------------------------- */

static void check_rule(const struct snapshot_rule *found)
{
    for (size_t id = 0; id < SETTING_COUNT; id++)
        MUST(!found->setting[id].set ||
             setting_value_valid(&settings[id], found->setting[id].value));
}

static void check_texts(const struct snapshot *snapshot)
{
    char text[64];

    for (uint32_t i = 0; i < snapshot->source_count && i < 8; i++) {
        memset(text, 'x', sizeof text);
        snapshot_source_path(snapshot, i, text, sizeof text);
        MUST(strnlen(text, sizeof text) < sizeof text);
    }
    snapshot_source_path(snapshot, snapshot->source_count, text, sizeof text);
    MUST(strcmp(text, "?") == 0);
    memset(text, 'x', sizeof text);
    snapshot_message(snapshot, text, sizeof text);
    MUST(strnlen(text, sizeof text) < sizeof text);
    snapshot_is_current(snapshot, CONFIG_PATH);
    MUST(!snapshot_is_current(snapshot, "another path"));
}

static void check_resolve(const struct snapshot *snapshot)
{
    const char *group[GROUPS];
    struct resolution resolution;

    for (size_t i = 0; i < GROUPS; i++)
        group[i] = rule[1 + i].name;
    if (resolve(snapshot, rule[RULES - 1].name, group, GROUPS, &resolution) != 0)
        return;
    for (size_t id = 0; id < SETTING_COUNT; id++)
        MUST(setting_value_valid(&settings[id], resolution.setting[id].value) ||
             resolution.setting[id].value == settings[id].default_value);
    MUST(strnlen(resolution.text, sizeof resolution.text) < sizeof resolution.text);
}

/* The file may contain anything. */
static void ask(const struct snapshot *snapshot)
{
    struct snapshot_rule found;

    for (size_t i = 0; i < RULES; i++) {
        const int status = snapshot_find(snapshot, rule[i].kind, rule[i].name, &found);
        MUST(status >= -1 && status <= 1);
        if (status == 1)
            check_rule(&found);
    }
    MUST(snapshot_find(snapshot, RULE_USER, "nobody", &found) <= 1);
    snapshot_is_intact(snapshot);
    check_texts(snapshot);
    check_resolve(snapshot);
}

/* The file was valid once. Its sources are read when it is opened: if that
 * succeeded, they are unchanged. */
static void ask_damaged(const struct snapshot *snapshot)
{
    const bool intact = snapshot_is_intact(snapshot);

    MUST(snapshot->source_count == sources.count);
    for (uint32_t i = 0; i < sources.count; i++) {
        char path[64];
        snapshot_source_path(snapshot, i, path, sizeof path);
        MUST(strcmp(path, source[i].path) == 0);
    }
    MUST(snapshot_is_current(snapshot, CONFIG_PATH));
    for (size_t i = 0; i < RULES; i++) {
        struct snapshot_rule found;
        const int status = snapshot_find(snapshot, rule[i].kind, rule[i].name, &found);
        MUST((status == -1 && !intact) || status == expected[i].found);
        for (size_t id = 0; status == 1 && id < SETTING_COUNT; id++) {
            const struct rule_setting *a = &found.setting[id], *b = &expected[i].rule.setting[id];
            MUST(a->set == b->set && a->value == b->value && a->file == b->file &&
                 a->line == b->line);
        }
        MUST(status != 1 || strcmp(found.text, expected[i].rule.text) == 0);
    }
    check_texts(snapshot);
    check_resolve(snapshot);
}

/* --- damage -------------------------------------------------------------- */

struct input {
    const uint8_t *data;
    size_t size;
};

/* Returns the next number of that many bytes; 0 at the end of the input. */
static size_t take(struct input *input, size_t bytes)
{
    size_t number = 0;

    for (; bytes > 0 && input->size > 0; bytes--) {
        number = number << 8 | *input->data++;
        input->size--;
    }
    return number;
}

static void open_and_ask(int fd, void (*asker)(const struct snapshot *))
{
    struct snapshot snapshot;
    struct failure failure = {""};

    for (int kind = SNAPSHOT_POLICY; kind <= SNAPSHOT_REJECTED; kind++) {
        const int own = dup(fd);
        MUST(own >= 0);
        if (snapshot_open_fd(own, (enum snapshot_kind)kind, &snapshot, &failure) == SNAPSHOT_OK) {
            asker(&snapshot);
            snapshot_close(&snapshot);
        } else {
            MUST(failure.text[0] != '\0' && snapshot.fd == -1 && snapshot.block == NULL);
            close(own);
        }
    }
    close(fd);
}

static void patched(struct input input)
{
    unsigned char *image = (unsigned char *)fuzz_text(valid_image, valid_size);

    while (input.size > 0) {
        const size_t offset = take(&input, 2) % valid_size;
        for (size_t i = take(&input, 1) % 32; i > 0 && input.size > 0; i--)
            image[(offset + i) % valid_size] = (unsigned char)take(&input, 1);
    }
    fix_checksums(image, valid_size);
    open_and_ask(fuzz_file(image, valid_size), ask);
    free(image);
}

static void raw(struct input input, bool fixed)
{
    unsigned char *image = (unsigned char *)fuzz_text(input.data, input.size);

    if (fixed)
        fix_checksums(image, input.size);
    open_and_ask(fuzz_file(image, input.size), ask);
    free(image);
}

/* Fills a part of the file with one byte, or truncates it. Returns whether that
 * changed anything after the header. */
static bool damage(int fd, struct input *input)
{
    const size_t from = take(input, 2) % (valid_size + 1);
    const size_t length = take(input, 2) % (valid_size + 1 - from);
    unsigned char *image = (unsigned char *)fuzz_text(valid_image, valid_size);
    size_t size = valid_size;

    memset(image + from, (int)take(input, 1), length);
    if (take(input, 1) % 8 == 7)
        size = from;
    MUST(ftruncate(fd, (off_t)size) == 0);
    MUST(pwrite(fd, image, size, 0) == (ssize_t)size);
    const size_t header = sizeof(struct file_header);
    const bool changed =
        size != valid_size || memcmp(image + header, valid_image + header, size - header) != 0;
    free(image);
    return changed;
}

static void damaged_while_open(struct input input)
{
    const int fd = fuzz_file(valid_image, valid_size);
    struct snapshot snapshot;
    struct failure failure = {""};

    MUST(snapshot_open_fd(fd, SNAPSHOT_POLICY, &snapshot, &failure) == SNAPSHOT_OK);
    MUST(snapshot_is_intact(&snapshot));
    const bool changed = damage(fd, &input);
    MUST(snapshot_is_intact(&snapshot) == !changed);
    ask_damaged(&snapshot);
    snapshot_close(&snapshot);
}

static void damaged_before(struct input input)
{
    const int fd = fuzz_file(valid_image, valid_size);

    damage(fd, &input);
    open_and_ask(fd, ask_damaged);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};

    switch ((char)take(&input, 1)) {
    case 'p':
        patched(input);
        break;
    case 'c':
        raw(input, true);
        break;
    case 'd':
        damaged_before(input);
        break;
    case 'l':
        damaged_while_open(input);
        break;
    default:
        raw(input, false);
    }
    return 0;
}

/*
 * The snapshot: it returns what was written, and whatever happens to the file,
 * the answer is the same as before or "damaged", never another one.
 */
#include "tests/unit/policy_snapshot.h"
#include "tests/unit/temporary.h"

#include "lib/policy/snapshot_read.h"
#include "lib/policy/snapshot_write.h"
#include "lib/host/failure.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

struct image {
    unsigned char *bytes;
    size_t size;
};

static void encode(struct image *image, const char *text)
{
    struct compiled c = {0};

    add_text(&c.sources, "/etc/security/tmout.conf", text, strlen(text));
    add_text(&c.sources, "/etc/security/tmout.conf.d", "", 0);
    add_text(&c.sources, "/etc/security/tmout.conf.d/50-a.conf", "", 0);
    compile_sources(&c);
    if (c.outcome != 0)
        print_all_problems(&c.problems);
    assert_int_equal(c.outcome, 0);
    assert_int_equal(snapshot_encode(&(struct snapshot_content){SNAPSHOT_POLICY, &c.sources,
                                                                &c.policy, "", 1234567},
                                     &image->bytes, &image->size),
                     0);
    compiled_free(&c);
}

static int memory_file(const void *bytes, size_t size)
{
    const int fd = memfd_create("snapshot", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), (ssize_t)size);
    return fd;
}

static void open_image(struct snapshot *snapshot, const struct image *image)
{
    struct failure failure = {""};
    const int fd = memory_file(image->bytes, image->size);

    if (snapshot_open_fd(fd, SNAPSHOT_POLICY, snapshot, &failure) != SNAPSHOT_OK)
        fail_msg("%s", failure.text);
}

/* --- round trips ------------------------------------------------------- */

static const char small_policy[] = "default {\n tmout = 15m\n"
                                   " channel_timeout = 'session:shell=10m x11-connection=1h' }\n"
                                   "group \"ops\" {\n tmout = none\n enforce = true\n}\n"
                                   "group \"Domain Users\" { export = true }\n"
                                   "user \"kim\" { sessions = all\n tmout = 1 }\n"
                                   "user \"empty\" { }\n";

static const struct query {
    enum rule_kind kind;
    const char *name;
} queries[] = {
    {RULE_DEFAULT, ""},  {RULE_GROUP, "ops"},  {RULE_GROUP, "Domain Users"},
    {RULE_USER, "kim"},  {RULE_USER, "empty"}, {RULE_USER, "ops"},
    {RULE_GROUP, "kim"}, {RULE_GROUP, ""},     {RULE_USER, ""},
    {RULE_USER, "Kim"},  {RULE_USER, "kim "},  {RULE_USER, "nobody at all"},
};

struct answers {
    int found[COUNT_OF(queries)];
    struct snapshot_rule rule[COUNT_OF(queries)];
    char path[4][128];
    int64_t created_sec;
    bool current;
};

static bool same_rule(const struct snapshot_rule *a, const struct snapshot_rule *b)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct rule_setting *x = &a->setting[i], *y = &b->setting[i];
        if (x->set != y->set ||
            (x->set && (x->value != y->value || x->file != y->file || x->line != y->line)))
            return false;
    }
    return strcmp(a->text, b->text) == 0;
}

static void ask(const struct snapshot *snapshot, struct answers *answers)
{
    memset(answers, 0, sizeof *answers);
    for (size_t i = 0; i < COUNT_OF(queries); i++)
        answers->found[i] =
            snapshot_find(snapshot, queries[i].kind, queries[i].name, &answers->rule[i]);
    for (uint32_t i = 0; i < COUNT_OF(answers->path); i++)
        snapshot_source_path(snapshot, i, answers->path[i], sizeof answers->path[i]);
    answers->created_sec = snapshot->created_sec;
    answers->current = snapshot_is_current(snapshot, "/etc/security/tmout.conf");
}

/* Is every answer the right one or "damaged"? */
static bool true_or_damaged(const struct answers *now, const struct answers *right)
{
    for (size_t i = 0; i < COUNT_OF(queries); i++) {
        if (now->found[i] == -1)
            continue;
        if (now->found[i] != right->found[i] ||
            (right->found[i] == 1 && !same_rule(&now->rule[i], &right->rule[i])))
            return false;
    }
    return memcmp(now->path, right->path, sizeof now->path) == 0 &&
           now->created_sec == right->created_sec && now->current == right->current;
}

static void round_trip(void **state)
{
    static const int found[] = {1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0};
    struct image image;
    struct snapshot snapshot;
    struct answers a;

    (void)state;
    encode(&image, small_policy);
    open_image(&snapshot, &image);
    ask(&snapshot, &a);
    assert_memory_equal(a.found, found, sizeof found);
    assert_int_equal(a.rule[0].setting[SETTING_TMOUT].value, 900);
    assert_int_equal(a.rule[0].setting[SETTING_TMOUT].line, 2);
    assert_string_equal(a.rule[0].text, "session:shell=10m x11-connection=1h");
    assert_int_equal(a.rule[0].setting[SETTING_CHANNEL_TIMEOUT].value, 35);
    assert_string_equal(a.rule[1].text, "");
    assert_false(a.rule[0].setting[SETTING_ENFORCE].set);
    assert_true(a.rule[1].setting[SETTING_TMOUT].value == SETTING_NONE);
    assert_int_equal(a.rule[1].setting[SETTING_ENFORCE].value, 1);
    assert_int_equal(a.rule[1].setting[SETTING_ENFORCE].line, 6);
    assert_true(a.rule[2].setting[SETTING_EXPORT].set);
    assert_int_equal(a.rule[3].setting[SETTING_SESSIONS].value, SESSIONS_ALL);
    assert_int_equal(a.rule[3].setting[SETTING_TMOUT].value, 1);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        assert_false(a.rule[4].setting[i].set);
    assert_string_equal(a.path[0], "/etc/security/tmout.conf");
    assert_string_equal(a.path[2], "/etc/security/tmout.conf.d/50-a.conf");
    assert_string_equal(a.path[3], "?");
    assert_int_equal(a.created_sec, 1234567);
    assert_int_equal(snapshot.rule_count[RULE_DEFAULT], 1);
    assert_int_equal(snapshot.rule_count[RULE_GROUP], 2);
    assert_int_equal(snapshot.rule_count[RULE_USER], 2);

    char narrow[8];
    snapshot_source_path(&snapshot, 0, narrow, sizeof narrow);
    assert_string_equal(narrow, "/etc/se");
    snapshot_source_path(&snapshot, UINT32_MAX, narrow, sizeof narrow);
    assert_string_equal(narrow, "?");
    snapshot_close(&snapshot);
    free(image.bytes);
}

struct visits {
    size_t count, stop_at;
    unsigned kinds; /* a bit each */
};

static int visit(void *context, enum rule_kind kind, const char *name,
                 const struct snapshot_rule *rule)
{
    struct visits *visits = context;

    assert_true((kind == RULE_DEFAULT) == (name[0] == '\0'));
    if (kind == RULE_DEFAULT)
        assert_int_equal(rule->setting[SETTING_TMOUT].value, 900);
    visits->kinds |= 1U << kind;
    return ++visits->count == visits->stop_at ? 17 : 0;
}

/* Each rule is visited once, until the visitor stops. */
static void visits_each_rule(void **state)
{
    struct image image;
    struct snapshot snapshot;
    struct visits all = {0}, some = {.stop_at = 2};

    (void)state;
    encode(&image, small_policy);
    open_image(&snapshot, &image);
    assert_int_equal(snapshot_each_rule(&snapshot, visit, &all), 0);
    assert_int_equal(all.count, 5);
    assert_int_equal(all.kinds, 7);
    assert_int_equal(snapshot_each_rule(&snapshot, visit, &some), 17);
    assert_int_equal(some.count, 2);

    /* A rule more or less than the header says is damage. */
    snapshot.rule_count[RULE_USER]++;
    assert_int_equal(snapshot_each_rule(&snapshot, visit, &all), -1);
    snapshot.rule_count[RULE_USER] -= 2;
    assert_int_equal(snapshot_each_rule(&snapshot, visit, &all), -1);
    snapshot_close(&snapshot);
    free(image.bytes);
}

/* Encoding the same sources twice gives the same bytes. */
static void same_bytes_for_same_sources(void **state)
{
    struct image a, b;

    (void)state;
    encode(&a, small_policy);
    encode(&b, small_policy);
    assert_int_equal(a.size, b.size);
    assert_memory_equal(a.bytes, b.bytes, a.size);
    free(a.bytes);
    free(b.bytes);
}

static void no_rules(void **state)
{
    struct image image;
    struct snapshot snapshot;
    struct answers a;

    (void)state;
    encode(&image, "default { }");
    open_image(&snapshot, &image);
    ask(&snapshot, &a);
    for (size_t i = 0; i < COUNT_OF(queries); i++)
        assert_int_equal(a.found[i], queries[i].kind == RULE_DEFAULT);
    snapshot_close(&snapshot);
    free(image.bytes);
}

static void a_rejection(void **state)
{
    static const char message[] = "/etc/x:3: a % sign, a \"quote\" and a \xc3\xbc";
    struct compiled c = {0};
    struct snapshot snapshot;
    char text[256];
    struct failure failure = {""};
    unsigned char *bytes = NULL;
    size_t size = 0;

    (void)state;
    add_text(&c.sources, "/etc/x", "y", 1);
    assert_int_equal(
        snapshot_encode(&(struct snapshot_content){SNAPSHOT_REJECTED, &c.sources, NULL, message, 5},
                        &bytes, &size),
        0);
    int fd = memory_file(bytes, size);
    assert_int_equal(snapshot_open_fd(fd, SNAPSHOT_POLICY, &snapshot, &failure),
                     SNAPSHOT_UNUSABLE); /* a rejection is not a policy */
    assert_int_equal(snapshot_open_fd(fd, SNAPSHOT_REJECTED, &snapshot, &failure), SNAPSHOT_OK);
    snapshot_message(&snapshot, text, sizeof text);
    assert_string_equal(text, message);
    snapshot_message(&snapshot, text, 5);
    assert_string_equal(text, "/etc");
    snapshot_close(&snapshot);
    for (size_t cut = 0; cut < size; cut++) {
        fd = memory_file(bytes, cut);
        assert_int_equal(snapshot_open_fd(fd, SNAPSHOT_REJECTED, &snapshot, &failure),
                         SNAPSHOT_UNUSABLE);
        close(fd);
    }
    free(bytes);
    compiled_free(&c);

    struct image policy;
    encode(&policy, small_policy);
    fd = memory_file(policy.bytes, policy.size);
    assert_int_equal(snapshot_open_fd(fd, SNAPSHOT_REJECTED, &snapshot, &failure),
                     SNAPSHOT_UNUSABLE);
    close(fd);
    free(policy.bytes);
}

/* --- damage ------------------------------------------------------------- */

/* Opens the snapshot in fd and compares its answers with the right ones. Returns
 * whether damage was noticed. */
static bool noticed_or_true(int fd, const struct answers *right, const char *what, size_t where)
{
    struct snapshot snapshot;
    struct answers now;
    struct failure failure = {""};
    bool noticed = false;
    const int own = dup(fd);

    if (snapshot_open_fd(own, SNAPSHOT_POLICY, &snapshot, &failure) != SNAPSHOT_OK) {
        if (failure.text[0] == '\0')
            fail_msg("%s %zu: no reason", what, where);
        close(own);
        return true;
    }
    ask(&snapshot, &now);
    if (!true_or_damaged(&now, right))
        fail_msg("%s %zu: another answer", what, where);
    for (size_t i = 0; i < COUNT_OF(queries); i++)
        noticed = noticed || now.found[i] == -1;
    snapshot_close(&snapshot);
    return noticed;
}

static void right_answers(const struct image *image, struct answers *right)
{
    struct snapshot snapshot;

    open_image(&snapshot, image);
    ask(&snapshot, right);
    snapshot_close(&snapshot);
}

static void every_byte_changed(void **state)
{
    struct image image;
    struct answers right;
    size_t unnoticed = 0;

    (void)state;
    encode(&image, small_policy);
    right_answers(&image, &right);
    const int fd = memory_file(image.bytes, image.size);
    for (size_t at = 0; at < image.size; at++) {
        bool noticed = false;
        for (unsigned change = 1; change < 256; change += is_slow() ? 127 : 1) {
            const unsigned char byte = (unsigned char)(image.bytes[at] ^ change);
            assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
            noticed = noticed_or_true(fd, &right, "changed byte", at) || noticed;
        }
        unnoticed += !noticed;
        assert_int_equal(pwrite(fd, &image.bytes[at], 1, (off_t)at), 1);
    }
    /* All but padding, and rules and buckets that no lookup reads. */
    assert_false(noticed_or_true(fd, &right, "restored", 0));
    assert_true(unnoticed < image.size / 2);
    close(fd);
    free(image.bytes);
}

static void every_length(void **state)
{
    struct image image;
    struct answers right;

    (void)state;
    encode(&image, small_policy);
    right_answers(&image, &right);
    for (size_t size = 0; size < image.size; size++) {
        const int fd = memory_file(image.bytes, size);
        assert_true(noticed_or_true(fd, &right, "length", size));
        close(fd);
    }
    for (size_t more = 1; more < 5000; more = more * 3 + 1) {
        const int fd = memory_file(image.bytes, image.size);
        assert_int_equal(ftruncate(fd, (off_t)(image.size + more)), 0);
        assert_true(noticed_or_true(fd, &right, "longer by", more));
        close(fd);
    }
    free(image.bytes);
}

/* Truncated or overwritten after it was opened. */
static void damaged_while_open(void **state)
{
    struct image image;
    struct snapshot snapshot;
    struct answers right, now;

    (void)state;
    encode(&image, small_policy);
    right_answers(&image, &right);
    for (size_t size = 0; size < image.size; size++) {
        open_image(&snapshot, &image);
        assert_int_equal(ftruncate(snapshot.fd, (off_t)size), 0);
        ask(&snapshot, &now);
        assert_true(true_or_damaged(&now, &right));
        /* and extended again with zeros */
        assert_int_equal(ftruncate(snapshot.fd, (off_t)image.size), 0);
        ask(&snapshot, &now);
        assert_true(true_or_damaged(&now, &right));
        snapshot_close(&snapshot);
    }
    free(image.bytes);
}

/* The version is outside of the checksums: whatever else a later one contains, it is
 * not taken for damage. */
static void newer_version(void **state)
{
    static const char newer[] = "was written by a newer version of pam_tmout";
    struct image image;

    (void)state;
    encode(&image, small_policy);
    for (char version = '2'; version <= '9'; version++) {
        for (unsigned damaged = 0; damaged < 2; damaged++) {
            struct failure failure = {""};
            struct snapshot snapshot;
            image.bytes[7] = (unsigned char)version;
            image.bytes[20] ^= 0x10;
            const int fd = memory_file(image.bytes, image.size);
            assert_int_equal(snapshot_open_fd(fd, SNAPSHOT_POLICY, &snapshot, &failure),
                             SNAPSHOT_UNUSABLE);
            assert_string_equal(failure.text, newer);
            close(fd);
        }
    }
    free(image.bytes);
}

/* A policy of count group rules, a user rule for each, and a default; freed by the caller. */
static char *many_rules(unsigned count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);

    assert_non_null(stream);
    fputs("default { tmout = 9m }\n", stream);
    for (unsigned i = 0; i < count; i++)
        fprintf(stream, "user u%05u { tmout = 2m }\ngroup g%05u { tmout = 3m }\n", i, i);
    assert_int_equal(fclose(stream), 0);
    return text;
}

/* What lies behind the beginning, which is read as the snapshot is opened. */
static void truncated_behind_the_beginning(void **state)
{
    struct snapshot snapshot;
    struct snapshot_rule rule;
    unsigned damaged = 0;

    (void)state;
    char *text = many_rules(1000);
    open_policy(&snapshot, text);
    assert_true(snapshot.file_size > 4 * FRONT_SIZE_MAX);
    assert_int_equal(snapshot_find(&snapshot, RULE_USER, "u00999", &rule), 1);
    assert_int_equal(ftruncate(snapshot.fd, FRONT_SIZE_MAX), 0);
    for (unsigned i = 0; i < 1000; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%05u", i);
        const int found = snapshot_find(&snapshot, RULE_USER, name, &rule);
        assert_true(found == 1 || found == -1);
        damaged += found == -1;
    }
    assert_true(damaged > 900);
    snapshot_close(&snapshot);
    free(text);
}

/* The names that snapshot_each_group() has visited. */
struct visited {
    unsigned count, stop_at;
};

static int visit_group(void *context, const char *name, size_t length)
{
    struct visited *visited = context;
    char expected[16];

    if (visited->count == visited->stop_at)
        return 7;
    snprintf(expected, sizeof expected, "g%05u", visited->count++);
    assert_int_equal(length, strlen(expected));
    assert_memory_equal(name, expected, length);
    return 0;
}

static void lists_the_groups(void **state)
{
    static const unsigned counts[] = {0, 1, 2, 7, 50, 200, 2000};
    struct snapshot snapshot;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct visited all = {.stop_at = UINT32_MAX}, some = {.stop_at = counts[i] / 2};
        char *text = many_rules(counts[i]);
        open_policy(&snapshot, text);
        assert_int_equal(snapshot_each_group(&snapshot, visit_group, &all), 0);
        assert_int_equal(all.count, counts[i]);
        if (counts[i] > 0)
            assert_int_equal(snapshot_each_group(&snapshot, visit_group, &some), 7);
        assert_int_equal(some.count, counts[i] / 2);

        /* one too many, and one too few before them */
        all.count = 0;
        snapshot.rule_count[RULE_GROUP]++;
        assert_int_equal(snapshot_each_group(&snapshot, visit_group, &all), -1);
        snapshot.rule_count[RULE_GROUP]--;
        snapshot.rule_count[RULE_DEFAULT]--;
        all.count = 0;
        assert_int_equal(snapshot_each_group(&snapshot, visit_group, &all), counts[i] > 0 ? -1 : 0);
        snapshot_close(&snapshot);
        free(text);
    }
    open_policy(&snapshot, "group g00000 { tmout = 3m }\n"); /* no default */
    struct visited all = {.stop_at = UINT32_MAX};
    assert_int_equal(snapshot_each_group(&snapshot, visit_group, &all), 0);
    assert_int_equal(all.count, 1);
    snapshot_close(&snapshot);
}

static int count_group(void *context, const char *name, size_t length)
{
    (void)name;
    (void)length;
    ++*(unsigned *)context;
    return 0;
}

/* Any changed byte in a group's rule is noticed, and no other group appears. */
static void notices_damaged_groups(void **state)
{
    struct image image;
    struct snapshot snapshot;

    (void)state;
    encode(&image, "default { tmout = 1m }\ngroup ab { tmout = 2m }\ngroup cd { tmout = 3m }\n"
                   "user ef { tmout = 4m }\n");
    open_image(&snapshot, &image);
    const size_t first = sizeof(struct file_header) + snapshot.block_size;
    const size_t size = sizeof(struct file_rule) + sizeof(struct file_setting);
    snapshot_close(&snapshot);
    for (size_t at = first; at < first + 3 * size + 4; at++) {
        unsigned groups = 0;
        image.bytes[at] ^= 0x41;
        open_image(&snapshot, &image);
        assert_int_equal(snapshot_each_group(&snapshot, count_group, &groups), -1);
        assert_true(groups <= 1);
        snapshot_close(&snapshot);
        image.bytes[at] ^= 0x41;
    }
    free(image.bytes);
}

/* Blocks of zeros, ones and noise, as a file system may leave them. */
static void blocks_of_garbage(void **state)
{
    struct image image;
    struct answers right;
    uint32_t random = 42;

    (void)state;
    encode(&image, small_policy);
    right_answers(&image, &right);
    for (int round = 0; round < (is_slow() ? 100 : 3000); round++) {
        unsigned char *bytes = malloc(image.size);
        assert_non_null(bytes);
        memcpy(bytes, image.bytes, image.size);
        random = random * 1664525 + 1013904223;
        const size_t start = (random >> 8) % image.size;
        random = random * 1664525 + 1013904223;
        size_t length = 1 + (random >> 8) % 64;
        if (length > image.size - start)
            length = image.size - start;
        for (size_t i = start; i < start + length; i++) {
            random = random * 1664525 + 1013904223;
            bytes[i] = round % 3 == 0 ? 0 : round % 3 == 1 ? 0xff : (unsigned char)(random >> 24);
        }
        const int fd = memory_file(bytes, image.size);
        noticed_or_true(fd, &right, "rubbish in round", (size_t)round);
        close(fd);
        free(bytes);
    }
    free(image.bytes);
}

/* One part in the place of another of the same kind. */
static void buckets_in_the_wrong_place(void **state)
{
    struct image image;
    struct file_header header;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    fprintf(to, "%s", small_policy);
    for (int i = 0; i < 60; i++)
        fprintf(to, "user \"u%d\" { tmout = 3m }\n", i);
    fclose(to);
    encode(&image, text);
    memcpy(&header, image.bytes, sizeof header);
    assert_true(header.bucket_count >= 8);
    struct answers right;
    right_answers(&image, &right);
    for (uint32_t from = 0; from < header.bucket_count; from++) {
        for (uint32_t to_bucket = 0; to_bucket < header.bucket_count; to_bucket++) {
            unsigned char *bytes = malloc(image.size);
            assert_non_null(bytes);
            memcpy(bytes, image.bytes, image.size);
            memcpy(bytes + header.bucket_offset + to_bucket * sizeof(struct file_bucket),
                   image.bytes + header.bucket_offset + from * sizeof(struct file_bucket),
                   sizeof(struct file_bucket));
            const int fd = memory_file(bytes, image.size);
            noticed_or_true(fd, &right, "bucket", to_bucket);
            close(fd);
            free(bytes);
        }
    }
    free(image.bytes);
    free(text);
}

/* snapshot_is_intact() reads also what no login has needed yet: no byte can change
 * unnoticed. */
static void intact_or_not(void **state)
{
    struct image image;
    struct snapshot snapshot;
    struct failure failure = {""};

    (void)state;
    encode(&image, small_policy);
    open_image(&snapshot, &image);
    assert_true(snapshot_is_intact(&snapshot));
    assert_int_equal(ftruncate(snapshot.fd, (off_t)image.size - 1), 0);
    assert_false(snapshot_is_intact(&snapshot));
    snapshot_close(&snapshot);
    for (size_t at = 0; at < image.size; at++) {
        image.bytes[at] ^= 0x41;
        const int fd = memory_file(image.bytes, image.size);
        if (snapshot_open_fd(fd, SNAPSHOT_POLICY, &snapshot, &failure) == SNAPSHOT_OK) {
            if (snapshot_is_intact(&snapshot))
                fail_msg("byte %zu changed unnoticed", at);
            snapshot_close(&snapshot);
        } else {
            close(fd);
        }
        image.bytes[at] ^= 0x41;
    }
    free(image.bytes);
}

/* --- wrong contents with correct checksums ------------------------------- */

static void seal_header(struct image *image)
{
    struct file_header header;

    memcpy(&header, image->bytes, sizeof header);
    if (header.block_size <= image->size - sizeof header)
        header.block_checksum =
            checksum(CHECKSUM_START, image->bytes + sizeof header, header.block_size);
    header.checksum = CHECKSUM_OF(CHECKSUM_START, header);
    memcpy(image->bytes, &header, sizeof header);
}

/* Where the rule that a bucket's slot leads to is, with the slot. */
static unsigned char *only_rule(struct image *image, struct file_slot *slot)
{
    struct file_header header;
    struct file_bucket bucket;

    memcpy(&header, image->bytes, sizeof header);
    assert_int_equal(header.bucket_count, 1);
    memcpy(&bucket, image->bytes + header.bucket_offset, sizeof bucket);
    assert_int_equal(bucket.count, 1);
    *slot = bucket.slot[0];
    return image->bytes + slot->offset;
}

static void seal_rule(unsigned char *rule, size_t size)
{
    struct file_rule head;

    memcpy(&head, rule, sizeof head);
    head.checksum =
        checksum(CHECKSUM_START, rule + sizeof head.checksum, size - sizeof head.checksum);
    memcpy(rule, &head, sizeof head);
}

static void seal_bucket(struct image *image, const struct file_bucket *changed)
{
    struct file_header header;
    struct file_bucket bucket = *changed;

    memcpy(&header, image->bytes, sizeof header);
    bucket.checksum = CHECKSUM_OF(CHECKSUM_START ^ UINT64_C(0), bucket);
    memcpy(image->bytes + header.bucket_offset, &bucket, sizeof bucket);
}

static int find_kim(const struct image *image, struct snapshot_rule *rule)
{
    struct snapshot snapshot;

    open_image(&snapshot, image);
    const int found = snapshot_find(&snapshot, RULE_USER, "kim", rule);
    snapshot_close(&snapshot);
    return found;
}

static void values_out_of_bounds(void **state)
{
    static const struct {
        uint32_t id;
        int64_t value;
    } bad[] = {
        {SETTING_TMOUT, 0},
        {SETTING_TMOUT, -1},
        {SETTING_TMOUT, 365 * 86400 + 1},
        {SETTING_TMOUT, SETTING_NONE - 1},
        {SETTING_TMOUT, INT64_MIN},
        {SETTING_ENFORCE, 2},
        {SETTING_ENFORCE, -1},
        {SETTING_ENFORCE, SETTING_NONE},
        {SETTING_EXPORT, 256},
        {SETTING_SESSIONS, 2},
        {SETTING_SESSIONS, INT64_C(1) << 32},
        {SETTING_CLIENT_ALIVE_INTERVAL, SETTING_UNSET},
        {SETTING_MAX_AUTH_TRIES, 0},
        {SETTING_MAX_AUTH_TRIES, SETTING_OFF},
        {SETTING_LOGIN_GRACE_TIME, 60}, /* of a user: sshd has no such thing */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct image image;
        struct file_slot slot;
        struct file_setting entry;
        struct snapshot_rule found;

        encode(&image, "user \"kim\" { tmout = 5m }");
        unsigned char *rule = only_rule(&image, &slot);
        memcpy(&entry, rule + sizeof(struct file_rule), sizeof entry);
        entry.id = bad[i].id;
        entry.value = bad[i].value;
        memcpy(rule + sizeof(struct file_rule), &entry, sizeof entry);
        seal_rule(rule, slot.size);
        if (find_kim(&image, &found) != -1)
            fail_msg("%s = %lld was accepted", settings[bad[i].id].name, (long long)bad[i].value);
        free(image.bytes);
    }
}

/* The text of a rule against its setting. The checksum is updated each time, so
 * that only the reader's other checks can notice. */
static void damaged_texts(void **state)
{
    static const char text[] = "default { channel_timeout = 'session:shell=5m' }";
    static const char timeout[] = "session:shell=5m";
    enum { SIZE = sizeof timeout - 1 };
    static const struct {
        int64_t length; /* what the setting says */
        uint32_t name_size, text_size;
        char first, last;
    } damage[] = {
        {SIZE - 1, 0, SIZE, 's', 'm'},
        {SIZE + 1, 0, SIZE, 's', 'm'},
        {0, 0, SIZE, 's', 'm'},
        {-1, 0, SIZE, 's', 'm'},
        {SETTING_UNSET, 0, SIZE, 's', 'm'},
        {SIZE, 0, SIZE - 1, 's', 'm'},
        {SIZE, 0, SIZE + 1, 's', 'm'},
        {SIZE, 0, 0, 's', 'm'},
        {SIZE, 0, UINT32_MAX, 's', 'm'},
        {SIZE, 0, UINT32_MAX - SIZE, 's', 'm'},
        {SIZE, UINT32_MAX, SIZE, 's', 'm'},
        {SIZE, 0, SIZE, '\0', 'm'},
        {SIZE, 0, SIZE, 's', '\0'},
        {SIZE, 0, SIZE, 'S', 'm'},
        {SIZE, 0, SIZE, 's', '\n'},
        {SIZE, 0, SIZE, 's', 'm'}, /* the last is as it was */
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(damage); i++) {
        struct image image;
        struct file_slot slot;
        struct file_rule head;
        struct snapshot snapshot;
        struct snapshot_rule found;

        encode(&image, text);
        unsigned char *rule = only_rule(&image, &slot);
        memcpy(&head, rule, sizeof head);
        head.name_size = damage[i].name_size;
        head.text_size = damage[i].text_size;
        memcpy(rule, &head, sizeof head);
        memcpy(rule + sizeof head + offsetof(struct file_setting, value), &damage[i].length,
               sizeof damage[i].length);
        rule[slot.size - SIZE] = (unsigned char)damage[i].first;
        rule[slot.size - 1] = (unsigned char)damage[i].last;
        seal_rule(rule, slot.size);
        open_image(&snapshot, &image);
        const bool unharmed = i + 1 == COUNT_OF(damage);
        if (snapshot_find(&snapshot, RULE_DEFAULT, "", &found) != (unharmed ? 1 : -1))
            fail_msg("damage %zu", i);
        if (unharmed)
            assert_string_equal(found.text, timeout);
        snapshot_close(&snapshot);
        free(image.bytes);
    }
}

/* Settings of a newer version are ignored, the others are not. */
static void unknown_settings(void **state)
{
    static const uint32_t ids[] = {SETTING_COUNT, SETTING_COUNT + 1, 1000, UINT32_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct image image;
        struct file_slot slot;
        struct file_setting entry;
        struct snapshot_rule found;

        encode(&image, "user \"kim\" { tmout = 5m\n enforce = true }");
        unsigned char *rule = only_rule(&image, &slot);
        memcpy(&entry, rule + sizeof(struct file_rule), sizeof entry);
        entry.id = ids[i];
        entry.value = -12345;
        memcpy(rule + sizeof(struct file_rule), &entry, sizeof entry);
        seal_rule(rule, slot.size);
        assert_int_equal(find_kim(&image, &found), 1);
        assert_false(found.setting[SETTING_TMOUT].set);
        assert_true(found.setting[SETTING_ENFORCE].set);
        assert_int_equal(found.setting[SETTING_ENFORCE].value, 1);
        free(image.bytes);
    }
}

/* The hash of one name leads to the rule of another name: that is no match. */
static void a_colliding_hash(void **state)
{
    struct image image;
    struct file_slot slot;
    struct snapshot_rule found;

    (void)state;
    encode(&image, "user \"kim\" { tmout = 5m }");
    unsigned char *rule = only_rule(&image, &slot);
    memcpy(rule + slot.size - 3, "eve", 3);
    seal_rule(rule, slot.size);
    assert_int_equal(find_kim(&image, &found), 0);
    free(image.bytes);

    /* and another kind of rule */
    encode(&image, "user \"kim\" { tmout = 5m }");
    rule = only_rule(&image, &slot);
    const uint32_t group = RULE_GROUP;
    memcpy(rule + offsetof(struct file_rule, kind), &group, sizeof group);
    seal_rule(rule, slot.size);
    assert_int_equal(find_kim(&image, &found), 0);
    free(image.bytes);
}

/* Two slots with one hash: the right one is found after the wrong one. */
static void two_rules_of_one_hash(void **state)
{
    struct image image;
    struct file_header header;
    struct file_bucket bucket;
    struct snapshot_rule found;

    (void)state;
    encode(&image, "user \"eve\" { tmout = 4m }\nuser \"kim\" { tmout = 5m }");
    memcpy(&header, image.bytes, sizeof header);
    assert_int_equal(header.bucket_count, 1);
    memcpy(&bucket, image.bytes + header.bucket_offset, sizeof bucket);
    assert_int_equal(bucket.count, 2);
    const uint64_t kim = rule_hash(RULE_USER, "kim", 3);
    if (bucket.slot[0].hash == kim) {
        const struct file_slot first = bucket.slot[0];
        bucket.slot[0] = bucket.slot[1];
        bucket.slot[1] = first;
    }
    bucket.slot[0].hash = kim;
    seal_bucket(&image, &bucket);
    assert_int_equal(find_kim(&image, &found), 1);
    assert_int_equal(found.setting[SETTING_TMOUT].value, 300);
    free(image.bytes);
}

static void offsets_and_counts(void **state)
{
    static const struct {
        uint32_t offset, size;
        uint64_t count;
    } bad[] = {
        {UINT32_MAX, 64, 1}, {0, UINT32_MAX, 1}, {UINT32_MAX, UINT32_MAX, 1},
        {0, 0, 1},           {0, 1, 1},          {0, 23, 1},
        {0, 24, 1},          {0, 100, 1},        {0, 64, 8},
        {0, 64, UINT64_MAX}, {8, 1816, 1},       {8, 1817, 1},
        {72, 0x80000000, 1},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct image image;
        struct file_header header;
        struct file_bucket bucket;
        struct snapshot_rule found;

        encode(&image, "user \"kim\" { tmout = 5m }");
        memcpy(&header, image.bytes, sizeof header);
        memcpy(&bucket, image.bytes + header.bucket_offset, sizeof bucket);
        bucket.slot[0].offset = bad[i].offset;
        bucket.slot[0].size = bad[i].size;
        bucket.count = bad[i].count;
        seal_bucket(&image, &bucket);
        assert_int_equal(find_kim(&image, &found), -1);
        free(image.bytes);
    }
}

/* More slots than a bucket has, and none that is looked for. */
static void too_many_slots(void **state)
{
    static const uint64_t counts[] = {BUCKET_SLOTS + 1, 1000, UINT64_MAX};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        struct image image;
        struct file_bucket bucket = {.count = counts[i]};
        struct snapshot_rule found;

        encode(&image, "user \"kim\" { tmout = 5m }");
        seal_bucket(&image, &bucket);
        assert_int_equal(find_kim(&image, &found), -1);
        free(image.bytes);
    }
}

/* A rule that is too large, in a file that has room for it. */
static void a_rule_too_large(void **state)
{
    enum { MORE = 100000 };

    (void)state;
    for (uint32_t size = RULE_SIZE_MAX + 1; size < MORE; size = size * 2) {
        struct image image;
        struct file_header header;
        struct file_bucket bucket;
        struct snapshot_rule found;

        encode(&image, "user \"kim\" { tmout = 5m }");
        image.bytes = realloc(image.bytes, image.size + MORE);
        assert_non_null(image.bytes);
        memset(image.bytes + image.size, 'x', MORE);
        memcpy(&header, image.bytes, sizeof header);
        memcpy(&bucket, image.bytes + header.bucket_offset, sizeof bucket);
        bucket.slot[0].offset = (uint32_t)image.size;
        bucket.slot[0].size = size;
        seal_bucket(&image, &bucket);
        image.size += MORE;
        header.file_size = image.size;
        memcpy(image.bytes, &header, sizeof header);
        seal_header(&image);
        assert_int_equal(find_kim(&image, &found), -1);
        free(image.bytes);
    }
}

/* A rule whose sizes do not add up. */
static void rules_that_do_not_fit(void **state)
{
    static const struct {
        uint32_t name_size, setting_count;
    } bad[] = {
        {UINT32_MAX, 1}, {3, UINT32_MAX}, {2, 1},  {4, 1},         {3, 0},          {3, 2},
        {0, 1},          {35, 0},         {3, 65}, {3, 0x8000000}, {0xffffffe3, 2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct image image;
        struct file_slot slot;
        struct file_rule head;
        struct snapshot_rule found;

        encode(&image, "user \"kim\" { tmout = 5m }");
        unsigned char *rule = only_rule(&image, &slot);
        memcpy(&head, rule, sizeof head);
        head.name_size = bad[i].name_size;
        head.setting_count = bad[i].setting_count;
        memcpy(rule, &head, sizeof head);
        seal_rule(rule, slot.size);
        if (find_kim(&image, &found) == 1)
            fail_msg("case %zu was found", i);
        free(image.bytes);
    }
}

static void headers_that_do_not_fit(void **state)
{
    struct image image;
    struct file_header good;
    struct answers right;

    (void)state;
    encode(&image, small_policy);
    right_answers(&image, &right);
    memcpy(&good, image.bytes, sizeof good);

    static const uint32_t values[] = {
        0, 1, 2, 3, 7, 8, 64, 72, 100, 1000, 0x7fffffff, 0x80000000, 0xfffffff8, UINT32_MAX};
    static const size_t fields[] = {
        offsetof(struct file_header, block_size),   offsetof(struct file_header, source_count),
        offsetof(struct file_header, message_size), offsetof(struct file_header, bucket_offset),
        offsetof(struct file_header, bucket_count),
    };
    for (size_t f = 0; f < COUNT_OF(fields); f++) {
        for (size_t v = 0; v < COUNT_OF(values); v++) {
            struct snapshot snapshot;
            struct failure failure = {""};
            memcpy(image.bytes, &good, sizeof good);
            if (memcmp(image.bytes + fields[f], &values[v], sizeof values[v]) == 0)
                continue;
            memcpy(image.bytes + fields[f], &values[v], sizeof values[v]);
            seal_header(&image);
            const int fd = memory_file(image.bytes, image.size);
            if (snapshot_open_fd(fd, SNAPSHOT_POLICY, &snapshot, &failure) != SNAPSHOT_OK) {
                close(fd);
                continue;
            }
            /* No such file is ever written: it must just do no harm. */
            struct answers a;
            char text[64];
            ask(&snapshot, &a);
            snapshot_message(&snapshot, text, sizeof text);
            snapshot_close(&snapshot);
        }
    }
    memcpy(image.bytes, &good, sizeof good);
    memcpy(image.bytes, "tmoutpoX", 8);
    const int fd = memory_file(image.bytes, image.size);
    assert_true(noticed_or_true(fd, &right, "magic", 0));
    close(fd);
    free(image.bytes);
}

/* Paths of sources that extend beyond their block. */
static void sources_that_do_not_fit(void **state)
{
    static const uint32_t sizes[] = {0, 25, 4096, 100000, 0x7fffffff, UINT32_MAX - 7, UINT32_MAX};
    const size_t at = sizeof(struct file_header) + offsetof(struct file_source, path_size);

    (void)state;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct image image;
        struct snapshot snapshot;
        char path[64];
        struct failure failure = {""};

        encode(&image, small_policy);
        memcpy(image.bytes + at, &sizes[i], sizeof sizes[i]);
        seal_header(&image);
        const int fd = memory_file(image.bytes, image.size);
        if (snapshot_open_fd(fd, SNAPSHOT_POLICY, &snapshot, &failure) == SNAPSHOT_OK) {
            snapshot_source_path(&snapshot, 0, path, sizeof path);
            snapshot_source_path(&snapshot, 2, path, sizeof path);
            assert_false(snapshot_is_current(&snapshot, "/etc/security/tmout.conf"));
            snapshot_close(&snapshot);
        } else {
            close(fd);
        }
        free(image.bytes);
    }
}

/* --- size --------------------------------------------------------------- */

/* Names that all belong to one of few buckets need more buckets, or are rejected;
 * they are never lost. */
static void names_that_crowd_a_bucket(void **state)
{
    enum { MOST = 40 };
    static const uint64_t masks[] = {0xff, 0xfff};

    (void)state;
    for (size_t m = 0; m < COUNT_OF(masks); m++) {
        struct compiled c = {0};
        struct snapshot snapshot;
        unsigned char *bytes = NULL;
        size_t size = 0;
        char name[MOST][16];
        int count = 0;
        const int wanted = m == 0 ? 8 : MOST;

        add_text(&c.sources, "/f", "", 0);
        for (unsigned i = 0; count < wanted; i++) {
            snprintf(name[count], sizeof name[count], "n%u", i);
            if ((rule_hash(RULE_GROUP, name[count], strlen(name[count])) & masks[m]) == 0)
                count++;
        }
        for (int i = 0; i < count; i++) {
            struct rule rule = {.kind = RULE_GROUP, .name = strdup(name[i])};
            rule.setting[SETTING_TMOUT] = (struct rule_setting){.set = true, .value = 60 + i};
            assert_int_equal(policy_append(&c.policy, &rule), 0);
        }
        if (snapshot_encode(
                &(struct snapshot_content){SNAPSHOT_POLICY, &c.sources, &c.policy, "", 1}, &bytes,
                &size) == 0) {
            const struct image image = {bytes, size};
            open_image(&snapshot, &image);
            for (int i = 0; i < count; i++) {
                struct snapshot_rule found;
                assert_int_equal(snapshot_find(&snapshot, RULE_GROUP, name[i], &found), 1);
                assert_int_equal(found.setting[SETTING_TMOUT].value, 60 + i);
            }
            snapshot_close(&snapshot);
            free(bytes);
        } else {
            assert_int_equal(errno, EFBIG);
            assert_true(m > 0);
        }
        compiled_free(&c);
    }
}

static void ten_thousand_rules(void **state)
{
    const unsigned count = is_slow() ? 500 : 10000;
    struct compiled c = {0};
    struct image image;
    struct snapshot snapshot;
    struct snapshot_rule found;
    char name[300];

    (void)state;
    add_text(&c.sources, "/f", "", 0);
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "group %u", i);
        struct rule rule = {.kind = i % 2 ? RULE_GROUP : RULE_USER, .name = strdup(name)};
        rule.setting[SETTING_TMOUT] = (struct rule_setting){.set = true, .value = i + 1, .line = i};
        assert_int_equal(policy_append(&c.policy, &rule), 0);
    }
    memset(name, 'n', RULE_NAME_MAX);
    name[RULE_NAME_MAX] = '\0';
    struct rule longest = {.kind = RULE_USER, .name = strdup(name)};
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (settings[i].default_only == NULL)
            longest.setting[i] = (struct rule_setting){
                .set = true,
                .value = settings[i].default_value == SETTING_UNSET &&
                                 !setting_value_valid(&settings[i], SETTING_UNSET)
                             ? 1
                             : settings[i].default_value};
    assert_int_equal(policy_append(&c.policy, &longest), 0);
    assert_int_equal(
        snapshot_encode(&(struct snapshot_content){SNAPSHOT_POLICY, &c.sources, &c.policy, "", 1},
                        &image.bytes, &image.size),
        0);
    open_image(&snapshot, &image);
    assert_int_equal(snapshot_find(&snapshot, RULE_USER, name, &found), 1);
    for (unsigned i = 0; i < count; i++) {
        snprintf(name, sizeof name, "group %u", i);
        assert_int_equal(snapshot_find(&snapshot, i % 2 ? RULE_GROUP : RULE_USER, name, &found), 1);
        assert_int_equal(found.setting[SETTING_TMOUT].value, i + 1);
        assert_int_equal(snapshot_find(&snapshot, i % 2 ? RULE_USER : RULE_GROUP, name, &found), 0);
    }
    snapshot_close(&snapshot);
    free(image.bytes);
    compiled_free(&c);
}

static void too_many_sources(void **state)
{
    struct source_set set = {0};
    struct policy policy = {0};
    unsigned char *bytes = NULL;
    size_t size = 0;
    char *path = malloc(4001);

    (void)state;
    assert_non_null(path);
    memset(path, 'p', 4000);
    path[4000] = '\0';
    for (int i = 0; i < 300; i++)
        add_text(&set, path, "", 0);
    assert_int_equal(
        snapshot_encode(&(struct snapshot_content){SNAPSHOT_POLICY, &set, &policy, "", 1}, &bytes,
                        &size),
        -1);
    assert_int_equal(errno, EFBIG);
    sources_free(&set);
    free(path);
}

/* --- on disk ------------------------------------------------------------ */

static enum snapshot_status open_in(const char *directory, uid_t owner, struct failure *failure)
{
    struct snapshot snapshot;

    failure->text[0] = '\0';
    const enum snapshot_status status =
        snapshot_open(directory, SNAPSHOT_POLICY, owner, &snapshot, failure);
    if (status == SNAPSHOT_OK)
        snapshot_close(&snapshot);
    else
        assert_true(strlen(failure->text) > 0);
    return status;
}

static void files_that_can_be_opened(void **state)
{
    struct failure failure = {""};
    struct image image;
    char *path = path_in(*state, SNAPSHOT_POLICY_NAME), *other = path_in(*state, "other");
    char *missing = path_in(*state, "missing");
    const uid_t me = geteuid();

    encode(&image, small_policy);
    assert_int_equal(open_in(missing, me, &failure), SNAPSHOT_ABSENT);
    assert_int_equal(open_in(*state, me, &failure), SNAPSHOT_ABSENT);
    write_bytes(path, image.bytes, image.size);
    assert_int_equal(open_in(*state, me, &failure), SNAPSHOT_OK);

    static const mode_t bad[] = {0664, 0646, 0666, 0777, 0620, 0602};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_int_equal(chmod(path, bad[i]), 0);
        assert_int_equal(open_in(*state, me, &failure), SNAPSHOT_UNUSABLE);
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(open_in(*state, me, &failure), SNAPSHOT_OK);

    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(open_in(*state, me, &failure), SNAPSHOT_UNUSABLE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(missing, path), 0);
    assert_int_equal(open_in(*state, me, &failure), SNAPSHOT_UNUSABLE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(open_in(*state, me, &failure), SNAPSHOT_UNUSABLE);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(open_in(*state, me, &failure), SNAPSHOT_UNUSABLE);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(open_in(other, me, &failure), SNAPSHOT_UNUSABLE);

    free(missing);
    free(other);
    free(path);
    free(image.bytes);
}

static void owned_by_others(void **state)
{
    struct failure failure = {""};
    struct image image;

    if (geteuid() != 0)
        LEFT_OUT("needs root, for chown");
    char *path = path_in(*state, SNAPSHOT_POLICY_NAME);
    encode(&image, small_policy);
    write_bytes(path, image.bytes, image.size);
    assert_int_equal(chown(path, 1000, 1000), 0);
    assert_int_equal(open_in(*state, 0, &failure), SNAPSHOT_UNUSABLE);
    assert_int_equal(open_in(*state, 1001, &failure), SNAPSHOT_UNUSABLE);
    assert_int_equal(open_in(*state, 1000, &failure), SNAPSHOT_OK);
    assert_int_equal(chown(path, 0, 1000), 0);
    assert_int_equal(open_in(*state, 1000, &failure), SNAPSHOT_OK);
    free(path);
    free(image.bytes);
}

/* A snapshot that could not be opened leaves no descriptor open. */
static void leaves_no_descriptor_open(void **state)
{
    struct failure failure = {""};
    struct image image;
    char *path = path_in(*state, SNAPSHOT_POLICY_NAME);

    const int before = dup(0);
    close(before);
    encode(&image, small_policy);
    for (size_t size = 0; size <= image.size; size++) {
        write_bytes(path, image.bytes, size);
        open_in(*state, geteuid(), &failure);
    }
    const int after = dup(0);
    close(after);
    assert_int_equal(after, before);
    free(path);
    free(image.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(visits_each_rule),
        cmocka_unit_test(same_bytes_for_same_sources),
        cmocka_unit_test(no_rules),
        cmocka_unit_test(a_rejection),
        cmocka_unit_test(every_byte_changed),
        cmocka_unit_test(every_length),
        cmocka_unit_test(damaged_while_open),
        cmocka_unit_test(newer_version),
        cmocka_unit_test(truncated_behind_the_beginning),
        cmocka_unit_test(lists_the_groups),
        cmocka_unit_test(notices_damaged_groups),
        cmocka_unit_test(blocks_of_garbage),
        cmocka_unit_test(buckets_in_the_wrong_place),
        cmocka_unit_test(intact_or_not),
        cmocka_unit_test(values_out_of_bounds),
        cmocka_unit_test(damaged_texts),
        cmocka_unit_test(unknown_settings),
        cmocka_unit_test(a_colliding_hash),
        cmocka_unit_test(two_rules_of_one_hash),
        cmocka_unit_test(offsets_and_counts),
        cmocka_unit_test(too_many_slots),
        cmocka_unit_test(a_rule_too_large),
        cmocka_unit_test(rules_that_do_not_fit),
        cmocka_unit_test(headers_that_do_not_fit),
        cmocka_unit_test(sources_that_do_not_fit),
        cmocka_unit_test(names_that_crowd_a_bucket),
        cmocka_unit_test(ten_thousand_rules),
        cmocka_unit_test(too_many_sources),
        WITH_DIRECTORY(files_that_can_be_opened),
        WITH_DIRECTORY(owned_by_others),
        WITH_DIRECTORY(leaves_no_descriptor_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

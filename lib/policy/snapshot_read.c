#include "lib/policy/snapshot_read.h"

#include "lib/host/descriptor.h"
#include "lib/host/secure_path.h"
#include "lib/policy/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char damaged[] = "is damaged";

/* All of data[size] at offset, or -1: errno 0 means that the file is short. */
static int read_at(int fd, uint64_t offset, void *data, size_t size)
{
    unsigned char *p = data;

    while (size > 0) {
        const ssize_t n = pread(fd, p, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = n == 0 ? 0 : errno;
            return -1;
        }
        p += n;
        offset += (uint64_t)n;
        size -= (size_t)n;
    }
    return 0;
}

/* The same from the snapshot's beginning, which is in memory, or from its file. */
static int read_part(const struct snapshot *snapshot, uint64_t offset, void *data, size_t size)
{
    if (offset > snapshot->front_size || size > snapshot->front_size - offset)
        return read_at(snapshot->fd, offset, data, size);
    memcpy(data, snapshot->front + offset, size);
    return 0;
}

/* Does [offset, offset + size) lie in the file? */
static bool inside(const struct snapshot *snapshot, uint64_t offset, uint64_t size)
{
    return offset <= snapshot->file_size && size <= snapshot->file_size - offset;
}

/* Does the file begin as a later version of this kind would? */
static bool is_of_newer_version(const struct file_header *header, const char *magic)
{
    const char version = header->magic[sizeof header->magic - 1];

    return memcmp(header->magic, magic, sizeof header->magic - 1) == 0 && version >= '2' &&
           version <= '9';
}

static bool header_is_valid(const struct file_header *header, const char *magic,
                            uint64_t actual_size)
{
    const uint64_t buckets = (uint64_t)header->bucket_count * sizeof(struct file_bucket);

    return memcmp(header->magic, magic, sizeof header->magic) == 0 &&
           header->checksum == CHECKSUM_OF(CHECKSUM_START, *header) &&
           header->file_size == actual_size && header->block_size <= BLOCK_SIZE_MAX &&
           header->message_size <= header->block_size &&
           sizeof *header + (uint64_t)header->block_size <= header->file_size &&
           (header->bucket_count & (header->bucket_count - 1)) == 0 &&
           header->bucket_offset + buckets <= header->file_size;
}

/* One source of the block. Moves *at past it; false when it does not fit. */
static bool next_source(const struct snapshot *snapshot, size_t *at, struct file_source *source,
                        const char **path)
{
    const size_t end = snapshot->block_size - snapshot->message_size;

    if (end - *at < sizeof *source)
        return false;
    memcpy(source, snapshot->block + *at, sizeof *source);
    *at += sizeof *source;
    if (source->path_size > end - *at || padded(source->path_size) > end - *at)
        return false;
    *path = (const char *)snapshot->block + *at;
    *at += padded(source->path_size);
    return true;
}

static bool block_is_valid(const struct snapshot *snapshot)
{
    struct file_source source;
    const char *path;
    size_t at = 0;

    for (uint32_t i = 0; i < snapshot->source_count; i++)
        if (!next_source(snapshot, &at, &source, &path))
            return false;
    return at == snapshot->block_size - snapshot->message_size;
}

/* Reads the beginning: most policies fit, and then a login reads its snapshot once.
 * NULL when all is well, else what is wrong. */
static const char *read_front(int fd, off_t file_size, struct snapshot *snapshot)
{
    snapshot->front_size = file_size < FRONT_SIZE_MAX ? (size_t)file_size : FRONT_SIZE_MAX;
    snapshot->front = malloc(snapshot->front_size + 1);
    if (snapshot->front == NULL)
        return strerror(ENOMEM);
    if (read_at(fd, 0, snapshot->front, snapshot->front_size) != 0)
        return errno != 0 ? strerror(errno) : damaged;
    return NULL;
}

/* NULL when all is well, else what is wrong. */
static const char *read_parts(int fd, off_t file_size, enum snapshot_kind kind,
                              struct snapshot *snapshot)
{
    const char *magic = kind == SNAPSHOT_POLICY ? MAGIC_POLICY : MAGIC_REJECTED;
    struct file_header header;
    const char *wrong;

    snapshot->fd = fd;
    wrong = read_front(fd, file_size, snapshot);
    if (wrong != NULL)
        return wrong;
    if (read_part(snapshot, 0, &header, sizeof header) != 0)
        return errno != 0 ? strerror(errno) : damaged;
    if (is_of_newer_version(&header, magic))
        return "was written by a newer version of pam_tmout";
    if (!header_is_valid(&header, magic, (uint64_t)file_size))
        return damaged;
    snapshot->file_size = header.file_size;
    snapshot->body_checksum = header.body_checksum;
    snapshot->created_sec = header.created_sec;
    snapshot->bucket_offset = header.bucket_offset;
    snapshot->bucket_count = header.bucket_count;
    snapshot->source_count = header.source_count;
    snapshot->message_size = header.message_size;
    snapshot->block_size = header.block_size;
    memcpy(snapshot->rule_count, header.rule_count, sizeof header.rule_count);
    snapshot->block = malloc(snapshot->block_size + 1);
    if (snapshot->block == NULL)
        return strerror(ENOMEM);
    if (read_part(snapshot, sizeof header, snapshot->block, snapshot->block_size) != 0)
        return errno != 0 ? strerror(errno) : damaged;
    if (checksum(CHECKSUM_START, snapshot->block, snapshot->block_size) != header.block_checksum ||
        !block_is_valid(snapshot))
        return damaged;
    return NULL;
}

static void free_parts(struct snapshot *snapshot)
{
    free(snapshot->front);
    free(snapshot->block);
    *snapshot = (struct snapshot){.fd = -1};
}

static enum snapshot_status open_size(int fd, off_t file_size, enum snapshot_kind kind,
                                      struct snapshot *snapshot, struct failure *failure)
{
    const char *wrong = read_parts(fd, file_size, kind, snapshot);

    if (wrong == NULL)
        return SNAPSHOT_OK;
    failure_set(failure, "%s", wrong);
    free_parts(snapshot);
    return SNAPSHOT_UNUSABLE;
}

enum snapshot_status snapshot_open_fd(int fd, enum snapshot_kind kind, struct snapshot *snapshot,
                                      struct failure *failure)
{
    struct stat st;

    *snapshot = (struct snapshot){.fd = -1};
    if (fd_stat(fd, &st) == 0)
        return open_size(fd, st.st_size, kind, snapshot, failure);
    failure_set(failure, "%s", strerror(errno));
    return SNAPSHOT_UNUSABLE;
}

enum snapshot_status snapshot_open(const char *state_dir, enum snapshot_kind kind, uid_t owner,
                                   struct snapshot *snapshot, struct failure *failure)
{
    enum snapshot_status status = SNAPSHOT_UNUSABLE;
    char path[4096];
    struct failure wrong = {""};
    struct stat st;

    *snapshot = (struct snapshot){.fd = -1};
    snprintf(path, sizeof path, "%s/%s", state_dir,
             kind == SNAPSHOT_POLICY ? SNAPSHOT_POLICY_NAME : SNAPSHOT_REJECTED_NAME);
    const int fd = secure_open_file(AT_FDCWD, path, owner, &st, &wrong);
    if (fd < 0)
        status = errno == ENOENT   ? SNAPSHOT_ABSENT
                 : errno == EACCES ? SNAPSHOT_DENIED
                                   : SNAPSHOT_UNUSABLE;
    else
        status = open_size(fd, st.st_size, kind, snapshot, &wrong);
    if (status != SNAPSHOT_OK) {
        failure_set(failure, "%s: %s", path, wrong.text);
        if (fd >= 0)
            close(fd);
    }
    return status;
}

uint64_t snapshot_identity(const struct snapshot *snapshot)
{
    const uint64_t sum =
        checksum(snapshot->body_checksum, &snapshot->created_sec, sizeof snapshot->created_sec);

    return sum != 0 ? sum : 1;
}

void snapshot_close(struct snapshot *snapshot)
{
    if (snapshot->fd >= 0)
        close(snapshot->fd);
    free_parts(snapshot);
}

static bool same_identity(const struct file_source *recorded, const char *path)
{
    const struct source_identity then = {.kind = recorded->kind,
                                         .inode = recorded->inode,
                                         .size = recorded->size,
                                         .mtime_ns = recorded->mtime_ns,
                                         .ctime_ns = recorded->ctime_ns};
    const struct source_identity now = source_identity_now(path, recorded->kind == SOURCE_PARENT);

    return source_identity_equal(&then, &now);
}

bool snapshot_is_current(const struct snapshot *snapshot, const char *config_path)
{
    struct file_source source;
    const char *recorded_path;
    size_t at = 0;

    for (uint32_t i = 0; i < snapshot->source_count; i++) {
        char path[4096];
        if (!next_source(snapshot, &at, &source, &recorded_path) || source.path_size >= sizeof path)
            return false;
        memcpy(path, recorded_path, source.path_size);
        path[source.path_size] = '\0';
        if (i == 0 && strcmp(path, config_path) != 0)
            return false;
        if (!same_identity(&source, path))
            return false;
    }
    return snapshot->source_count > 0;
}

bool snapshot_is_intact(const struct snapshot *snapshot)
{
    uint64_t sum = CHECKSUM_START, at = sizeof(struct file_header);
    unsigned char chunk[16 * 1024];

    while (at < snapshot->file_size) {
        const uint64_t left = snapshot->file_size - at;
        const size_t size = left < sizeof chunk ? (size_t)left : sizeof chunk;
        if (read_at(snapshot->fd, at, chunk, size) != 0)
            return false;
        sum = checksum(sum, chunk, size);
        at += size;
    }
    return sum == snapshot->body_checksum;
}

bool snapshot_source_path(const struct snapshot *snapshot, uint32_t number, char *path, size_t size)
{
    struct file_source source;
    const char *recorded_path;
    size_t at = 0;

    snprintf(path, size, "?");
    for (uint32_t i = 0; i < snapshot->source_count; i++) {
        if (!next_source(snapshot, &at, &source, &recorded_path))
            return false;
        if (i == number) {
            snprintf(path, size, "%.*s", (int)source.path_size, recorded_path);
            return source.kind == SOURCE_FILE;
        }
    }
    return false;
}

void snapshot_message(const struct snapshot *snapshot, char *text, size_t size)
{
    snprintf(text, size, "%.*s", (int)snapshot->message_size,
             (const char *)snapshot->block + snapshot->block_size - snapshot->message_size);
}

/* The parts of a rule's record. */
struct record {
    struct file_rule head;
    const unsigned char *settings, *name, *text;
};

/* Copies the text of a setting; is it one that a policy can have? */
static bool parse_text_setting(const struct record *record, const struct file_setting *entry,
                               struct snapshot_rule *rule)
{
    int64_t length = 0;

    if (record->head.text_size >= sizeof rule->text)
        return false;
    memcpy(rule->text, record->text, record->head.text_size);
    rule->text[record->head.text_size] = '\0';
    return entry->value == (int64_t)record->head.text_size &&
           setting_parse(&settings[entry->id], rule->text, &length) == NULL &&
           length == entry->value;
}

/* Settings with unknown numbers come from a newer version during an upgrade, and
 * are ignored. */
static int parse_settings(const struct record *record, struct snapshot_rule *rule)
{
    for (uint32_t i = 0; i < record->head.setting_count; i++) {
        struct file_setting entry;
        memcpy(&entry, record->settings + i * sizeof entry, sizeof entry);
        if (entry.id >= SETTING_COUNT)
            continue;
        const struct setting *setting = &settings[entry.id];
        if (!setting_value_valid(setting, entry.value) ||
            (setting->default_only != NULL && record->head.kind != RULE_DEFAULT) ||
            (setting->type == SETTING_TEXT && !parse_text_setting(record, &entry, rule)))
            return -1;
        rule->setting[entry.id] = (struct rule_setting){
            .set = true, .value = entry.value, .file = entry.file, .line = entry.line};
    }
    return 0;
}

/* Finds the parts of a rule's record in bytes[size]; false if damaged. */
static bool parse_record(const unsigned char *bytes, size_t size, struct record *record)
{
    struct file_rule *head = &record->head;

    memcpy(head, bytes, sizeof *head);
    if (head->checksum !=
            checksum(CHECKSUM_START, bytes + sizeof head->checksum, size - sizeof head->checksum) ||
        head->setting_count > RULE_SETTINGS_MAX ||
        sizeof *head + head->setting_count * sizeof(struct file_setting) +
                (uint64_t)head->name_size + head->text_size !=
            size)
        return false;
    record->settings = bytes + sizeof *head;
    record->name = record->settings + head->setting_count * sizeof(struct file_setting);
    record->text = record->name + head->name_size;
    return true;
}

/* Reads the record that a slot points at into bytes[RULE_SIZE_MAX]; false if
 * it is damaged. */
static bool read_record(const struct snapshot *snapshot, const struct file_slot *slot,
                        unsigned char *bytes, struct record *record)
{
    return slot->size >= sizeof record->head && slot->size <= RULE_SIZE_MAX &&
           inside(snapshot, slot->offset, slot->size) &&
           read_part(snapshot, slot->offset, bytes, slot->size) == 0 &&
           parse_record(bytes, slot->size, record);
}

/* The rule that a slot points at: 1 if it is the one called name, 0 if only
 * the hash is the same, -1 if damaged. */
static int read_rule(const struct snapshot *snapshot, const struct file_slot *slot,
                     enum rule_kind kind, const char *name, struct snapshot_rule *rule)
{
    unsigned char bytes[RULE_SIZE_MAX];
    struct record record;

    if (!read_record(snapshot, slot, bytes, &record))
        return -1;
    if (record.head.kind != (uint32_t)kind || record.head.name_size != strlen(name) ||
        memcmp(record.name, name, record.head.name_size) != 0)
        return 0;
    *rule = (struct snapshot_rule){0};
    return parse_settings(&record, rule) == 0 ? 1 : -1;
}

static bool read_bucket(const struct snapshot *snapshot, uint64_t number,
                        struct file_bucket *bucket)
{
    return read_part(snapshot, snapshot->bucket_offset + number * sizeof *bucket, bucket,
                     sizeof *bucket) == 0 &&
           bucket->checksum == CHECKSUM_OF(CHECKSUM_START ^ number, *bucket) &&
           bucket->count <= BUCKET_SLOTS;
}

int snapshot_find(const struct snapshot *snapshot, enum rule_kind kind, const char *name,
                  struct snapshot_rule *rule)
{
    struct file_bucket bucket;

    if (snapshot->rule_count[kind] == 0)
        return 0;
    if (snapshot->bucket_count == 0)
        return -1;
    const uint64_t hash = rule_hash((uint32_t)kind, name, strlen(name));
    if (!read_bucket(snapshot, hash & (snapshot->bucket_count - 1), &bucket))
        return -1;
    for (uint64_t i = 0; i < bucket.count; i++) {
        if (bucket.slot[i].hash != hash)
            continue;
        const int found = read_rule(snapshot, &bucket.slot[i], kind, name, rule);
        if (found != 0)
            return found;
    }
    return 0;
}

/* How many bytes the record at bytes says it has; 0 for an impossible number. */
static size_t record_size(const unsigned char *bytes)
{
    struct file_rule head;

    memcpy(&head, bytes, sizeof head);
    if (head.setting_count > RULE_SETTINGS_MAX || head.name_size > RULE_NAME_MAX ||
        head.text_size >= SETTING_TEXT_MAX)
        return 0;
    return sizeof head + head.setting_count * sizeof(struct file_setting) + head.name_size +
           head.text_size;
}

int snapshot_each_group(const struct snapshot *snapshot, snapshot_visit_name *visit, void *context)
{
    uint64_t at = sizeof(struct file_header) + snapshot->block_size;
    const uint64_t groups = snapshot->rule_count[RULE_GROUP];
    const uint64_t others = snapshot->rule_count[RULE_DEFAULT];

    for (uint64_t i = 0; i < others + groups; i++) {
        unsigned char bytes[RULE_SIZE_MAX];
        struct record record;
        if (!inside(snapshot, at, sizeof record.head) ||
            read_part(snapshot, at, bytes, sizeof record.head) != 0)
            return -1;
        const size_t size = record_size(bytes);
        if (size == 0 || !inside(snapshot, at, size) || read_part(snapshot, at, bytes, size) != 0 ||
            !parse_record(bytes, size, &record) ||
            record.head.kind != (uint32_t)(i < others ? RULE_DEFAULT : RULE_GROUP))
            return -1;
        at += size;
        if (i < others)
            continue;
        if (memchr(record.name, '\0', record.head.name_size) != NULL)
            return -1;
        const int result = visit(context, (const char *)record.name, record.head.name_size);
        if (result != 0)
            return result;
    }
    return 0;
}

/* Calls visit for the rule that a slot points at. */
static int visit_record(const struct snapshot *snapshot, const struct file_slot *slot,
                        snapshot_visit_rule *visit, void *context)
{
    unsigned char bytes[RULE_SIZE_MAX];
    char name[RULE_NAME_MAX + 1];
    struct record record;
    struct snapshot_rule rule = {0};

    if (!read_record(snapshot, slot, bytes, &record) || record.head.kind > RULE_USER ||
        record.head.name_size >= sizeof name ||
        memchr(record.name, '\0', record.head.name_size) != NULL ||
        parse_settings(&record, &rule) != 0)
        return -1;
    memcpy(name, record.name, record.head.name_size);
    name[record.head.name_size] = '\0';
    return visit(context, (enum rule_kind)record.head.kind, name, &rule);
}

int snapshot_each_rule(const struct snapshot *snapshot, snapshot_visit_rule *visit, void *context)
{
    uint64_t left = 0;

    for (size_t kind = RULE_DEFAULT; kind <= RULE_USER; kind++)
        left += snapshot->rule_count[kind];
    for (uint64_t number = 0; number < snapshot->bucket_count; number++) {
        struct file_bucket bucket;
        if (!read_bucket(snapshot, number, &bucket) || bucket.count > left)
            return -1;
        left -= bucket.count;
        for (uint64_t i = 0; i < bucket.count; i++) {
            const int result = visit_record(snapshot, &bucket.slot[i], visit, context);
            if (result != 0)
                return result;
        }
    }
    return left == 0 ? 0 : -1;
}

#include "lib/fleet/conf.h"

#include "lib/fleet/files.h"
#include "lib/policy/lexer.h"
#include "lib/policy/settings.h"

#include <arpa/inet.h>
#include <confuse.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum value_type { VALUE_TEXT, VALUE_FILE, VALUE_SECRET, VALUE_BOOL, VALUE_MS, VALUE_ENDPOINT };

/* What each name may have. */
struct conf_row {
    const char *name;
    enum value_type type;
    size_t offset, size; /* of the member in struct fleet_conf; of a text, its room */
    const char *letters; /* of a text: what it may contain */
    int least_ms, most_ms;
};

#define NAME_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"
#define MEMBER(type, name)                                                                         \
#name, type, offsetof(struct fleet_conf, name), sizeof((struct fleet_conf *)0)->name

static const struct conf_row rows[] = {
    {"endpoints", VALUE_ENDPOINT, 0, 0, NULL, 0, 0},
    {MEMBER(VALUE_BOOL, tls), NULL, 0, 0},
    {MEMBER(VALUE_FILE, ca), NAME_LETTERS, 0, 0},
    {MEMBER(VALUE_FILE, cert), NAME_LETTERS, 0, 0},
    {MEMBER(VALUE_SECRET, key), NAME_LETTERS, 0, 0},
    {MEMBER(VALUE_TEXT, name), NAME_LETTERS, 0, 0},
    {MEMBER(VALUE_TEXT, sentinel), NAME_LETTERS, 0, 0},
    {MEMBER(VALUE_TEXT, acl_user), NAME_LETTERS, 0, 0},
    {MEMBER(VALUE_SECRET, password_file), NAME_LETTERS, 0, 0},
    {MEMBER(VALUE_TEXT, prefix), NAME_LETTERS, 0, 0},
    {MEMBER(VALUE_TEXT, host_id), NAME_LETTERS, 0, 0},
    {"timeout", VALUE_MS, offsetof(struct fleet_conf, timeout_ms), 0, NULL, 50, 5000},
    {"hold", VALUE_MS, offsetof(struct fleet_conf, hold_ms), 0, NULL, 0, 60000},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* What libconfuse's callbacks need: it hands no pointer through to them, and is not
 * reentrant anyway. */
static struct {
    struct fleet_conf *conf;
    const char *path;
    struct problems *problems;
    size_t errors_before;
    unsigned line_of[ROWS]; /* where it was set; 0: not at all */
} conf_reading;

bool fleet_conf_has_tls(void)
{
#ifdef HAVE_FLEET_TLS
    return true;
#else
    return false;
#endif
}

bool fleet_conf_path(const char *config_path, char *path, size_t size)
{
    return fleet_path_beside(config_path, FLEET_CONF_NAME, path, size);
}

void fleet_host_name(const struct fleet_conf *conf, const char *nodename, char host[FLEET_HOST_MAX])
{
    const char *name = conf->host_id[0] != '\0' ? conf->host_id : nodename;

    snprintf(host, FLEET_HOST_MAX, "%s", name[0] != '\0' ? name : "-");
    for (char *c = host + strspn(host, NAME_LETTERS); *c != '\0'; c += strspn(c, NAME_LETTERS))
        *c = '-';
}

/* --- values -------------------------------------------------------------------------- */

static const char *parse_ms(const struct conf_row *row, const char *text, int *ms)
{
    char *end;
    const long number = strtol(text, &end, 10);
    const bool in_seconds = strcmp(end, "s") == 0;

    if (text[0] < '0' || text[0] > '9' || (!in_seconds && strcmp(end, "ms") != 0) ||
        number > 1000000)
        return "is no time in milliseconds or seconds, such as 500ms or 2s";
    const long value = in_seconds ? number * 1000 : number;
    if (value < row->least_ms)
        return "is too short";
    if (value > row->most_ms)
        return "is too long";
    *ms = (int)value;
    return NULL;
}

static const char *parse_switch(const char *text, bool *value)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return "is neither true nor false";
    *value = strcmp(text, "true") == 0;
    return NULL;
}

static const char *parse_words(const struct conf_row *row, const char *text, char *value)
{
    if (text[0] == '\0')
        return "is empty";
    if (strlen(text) >= row->size)
        return "is too long";
    if (row->letters != NULL && strspn(text, row->letters) != strlen(text))
        return "has a character other than letters, digits, and _ . -";
    memcpy(value, text, strlen(text) + 1);
    return NULL;
}

/* A name in FLEET_FILES_DIR, alone or behind it. */
static const char *parse_file(const struct conf_row *row, const char *text, char *value)
{
    const char *name = fleet_file_name(text);

    if (strchr(name, '/') != NULL)
        return "is not in " FLEET_FILES_DIR ": put the file there, as tmout-fleetd gets no others, "
               "and write its name";
    return name[0] == '.' ? "begins with a dot" : parse_words(row, name, value);
}

static const char *parse_port(const char *text, uint16_t *port)
{
    char *end;
    const long number = strtol(text, &end, 10);

    if (text[0] < '1' || text[0] > '9' || *end != '\0' || number > UINT16_MAX)
        return "has no port from 1 to 65535 behind its last colon";
    *port = (uint16_t)number;
    return NULL;
}

/* A path, ADDRESS:PORT, or [ADDRESS]:PORT. A name would have to be looked up, and whoever
 * answers for it would choose the store. */
static const char *parse_endpoint(const char *text, struct fleet_endpoint *endpoint)
{
    const char *colon = strrchr(text, ':');
    unsigned char address[16];

    if (strlen(text) >= sizeof endpoint->address)
        return "is too long";
    if (text[0] == '/') {
        memcpy(endpoint->address, text, strlen(text) + 1);
        return NULL;
    }
    if (colon == NULL)
        return "is neither ADDRESS:PORT nor the path of a Unix socket";
    const bool brackets = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
    const size_t length = (size_t)(colon - text) - (brackets ? 2 : 0);
    memcpy(endpoint->address, text + (brackets ? 1 : 0), length);
    endpoint->address[length] = '\0';
    if (inet_pton(brackets ? AF_INET6 : AF_INET, endpoint->address, address) != 1)
        return "has no numeric address, as in 192.0.2.1:6379 or [2001:db8::1]:6379";
    return parse_port(colon + 1, &endpoint->port);
}

static const char *take_endpoint(const char *text)
{
    struct fleet_conf *conf = conf_reading.conf;
    struct fleet_endpoint endpoint = {.port = 0};

    if (conf->endpoints == FLEET_ENDPOINTS_MAX)
        return "is one too many: the maximum is 8";
    const char *wrong = parse_endpoint(text, &endpoint);
    if (wrong == NULL)
        conf->endpoint[conf->endpoints++] = endpoint;
    return wrong;
}

static const char *take_value(const struct conf_row *row, const char *text)
{
    char *member = (char *)conf_reading.conf + row->offset;

    switch (row->type) {
    case VALUE_ENDPOINT:
        return take_endpoint(text);
    case VALUE_BOOL:
        return parse_switch(text, (bool *)(void *)member);
    case VALUE_MS:
        return parse_ms(row, text, (int *)(void *)member);
    case VALUE_FILE:
    case VALUE_SECRET:
        return parse_file(row, text, member);
    case VALUE_TEXT:
    default:
        return parse_words(row, text, member);
    }
}

/* --- libconfuse ------------------------------------------------------------------------ */

static void add_error(unsigned line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add_error(unsigned line, const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    problem_add(conf_reading.problems, PROBLEM_ERROR, conf_reading.path, line, "%s", text);
}

static size_t row_number(const char *name)
{
    size_t i = 0;

    while (i < ROWS && strcmp(rows[i].name, name) != 0)
        i++;
    return i;
}

/* Where the setting is; 0: it is not set. */
static unsigned line_of(const char *name)
{
    return conf_reading.line_of[row_number(name)];
}

/* For each value. All errors are to be found, so none of them ends the parsing. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt, const char *text, void *result)
{
    const size_t i = row_number(opt->name);
    const unsigned line = (unsigned)cfg->line;

    *(const char **)result = text;
    /* The first value of a list begins it anew, and += does not. */
    if (conf_reading.line_of[i] != 0 && cfg_opt_size(opt) == 1) {
        add_error(line, "%s is already set, on line %u", opt->name, conf_reading.line_of[i]);
        return 0;
    }
    conf_reading.line_of[i] = line;
    const char *wrong = take_value(&rows[i], text);
    if (wrong != NULL)
        add_error(line, "%s = \"%.64s\" %s", opt->name, text, wrong);
    return 0;
}

static void on_complaint(cfg_t *cfg, const char *format, va_list arguments)
{
    const char *names[ROWS];
    char text[256], word[64];

    vsnprintf(text, sizeof text, format, arguments);
    for (size_t i = 0; i < ROWS; i++)
        names[i] = rows[i].name;
    if (sscanf(text, "no such option '%63[^']'", word) != 1) {
        add_error((unsigned)cfg->line, "%s", text);
        return;
    }
    const char *nearest = nearest_word(word, names, ROWS);
    add_error((unsigned)cfg->line, "unknown setting \"%s\"%s%s%s", word,
              nearest != NULL ? "; did you mean \"" : "", nearest != NULL ? nearest : "",
              nearest != NULL ? "\"?" : "");
}

static bool found_errors(void)
{
    return conf_reading.problems->errors > conf_reading.errors_before;
}

/* Finds what libconfuse would take for something else than it looks like, or not explain, and
 * blanks out the comments of source. */
static bool is_plain(const struct source *source)
{
    struct lexer lexer;
    struct token token;
    unsigned open_line = 0;

    lexer_start(&lexer, source->text, source->size, conf_reading.path, conf_reading.problems);
    lexer.has_lists = true;
    do {
        lexer_next(&lexer, &token);
        if (token.kind == TOKEN_OPEN)
            open_line = token.line;
        else if (token.kind == TOKEN_CLOSE)
            open_line = 0;
    } while (token.kind != TOKEN_END);
    if (open_line != 0)
        add_error(open_line, "the list that begins here is not closed: } is missing");
    return !found_errors();
}

static int parse(const char *text)
{
    cfg_opt_t options[ROWS + 1];

    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].type == VALUE_ENDPOINT)
            options[i] = (cfg_opt_t)CFG_STR_LIST_CB(rows[i].name, NULL, CFGF_NONE, on_value);
        else
            options[i] = (cfg_opt_t)CFG_STR_CB(rows[i].name, NULL, CFGF_NONE, on_value);
    options[ROWS] = (cfg_opt_t)CFG_END();
    cfg_t *cfg = cfg_init(options, CFGF_NONE);
    if (cfg == NULL)
        return -1;
    cfg_set_error_function(cfg, on_complaint);
    (void)cfg_parse_buf(cfg, text);
    cfg_free(cfg);
    return 0;
}

/* How long it takes until each host has noticed that the store is another one. */
enum { HOLD_SPARE_MS = 2000 };

/* --- what belongs together --------------------------------------------------------------- */

bool fleet_endpoint_is_local(const struct fleet_endpoint *endpoint)
{
    return endpoint->port == 0 || strncmp(endpoint->address, "127.", 4) == 0 ||
           strcmp(endpoint->address, "::1") == 0;
}

/* Who has written one of these expects TLS. */
static void check_without_tls(void)
{
    static const char *const of_tls[] = {"ca", "cert", "key", "name"};

    for (size_t i = 0; i < sizeof of_tls / sizeof *of_tls; i++)
        if (line_of(of_tls[i]) != 0)
            add_error(line_of(of_tls[i]), "%s has no effect without tls = true", of_tls[i]);
}

static void check_encryption(struct fleet_conf *conf)
{
    const unsigned tls_line = line_of("tls");
    const unsigned line = line_of("endpoints");

    if (tls_line != 0 && conf->tls && !fleet_conf_has_tls())
        add_error(tls_line, "tls = true is not possible: this build has no TLS, so the store must "
                            "be a Unix socket or on loopback, for example behind stunnel");
    else if (conf->tls && conf->ca[0] == '\0')
        add_error(tls_line,
                  "tls = true requires ca: the CA that has signed the store's certificate");
    if (tls_line == 0)
        check_without_tls();
    conf->plain = tls_line != 0 && !conf->tls;
    for (size_t i = 0; i < conf->endpoints; i++) {
        const struct fleet_endpoint *endpoint = &conf->endpoint[i];
        if (fleet_endpoint_is_local(endpoint))
            continue;
        if (!fleet_conf_has_tls())
            add_error(line,
                      "%s is beyond loopback, and this build has no TLS: use a Unix socket "
                      "or an address of 127.0.0.0/8, for example of stunnel",
                      endpoint->address);
        else if (tls_line == 0)
            add_error(line,
                      "%s is beyond loopback: set tls = true and ca, or tls = false to send "
                      "the password and all users' names unencrypted",
                      endpoint->address);
    }
}

static void check_whole(struct fleet_conf *conf)
{
    if (conf->endpoints == 0 && line_of("endpoints") == 0)
        add_error(0, "has no endpoints: write endpoints = {\"/run/valkey/socket\"}, for example");
    if (conf->acl_user[0] != '\0' && conf->password_file[0] == '\0')
        add_error(line_of("acl_user"), "acl_user requires password_file");
    if (conf->cert[0] != '\0' && conf->key[0] == '\0')
        add_error(line_of("cert"), "cert requires key");
    if (conf->key[0] != '\0' && conf->cert[0] == '\0')
        add_error(line_of("key"), "key requires cert");
    check_encryption(conf);
    if (conf->hold_ms < conf->timeout_ms + HOLD_SPARE_MS)
        problem_add(conf_reading.problems, PROBLEM_NOTE, conf_reading.path,
                    line_of(line_of("hold") != 0 ? "hold" : "timeout"),
                    "hold is not longer than timeout by two seconds: after a restart of the store, "
                    "somebody may be admitted before all hosts have told it what they know");
}

static int try_password(const char *name, uid_t owner, struct failure *failure)
{
    char password[FLEET_PASSWORD_MAX];
    const int result = fleet_password_read(conf_reading.path, name, owner, password, failure);

    explicit_bzero(password, sizeof password);
    return result;
}

static int try_file(const char *name, uid_t owner, bool is_secret, struct failure *failure)
{
    const int fd = fleet_file_open(conf_reading.path, name, owner, is_secret, failure);

    if (fd < 0)
        return -1;
    close(fd);
    return 0;
}

/* Can each file be used? */
static void check_files(const struct fleet_conf *conf, uid_t owner)
{
    for (size_t i = 0; i < ROWS; i++) {
        const bool is_secret = rows[i].type == VALUE_SECRET;
        const char *name = (const char *)conf + rows[i].offset;
        struct failure failure = {""};
        if ((!is_secret && rows[i].type != VALUE_FILE) || name[0] == '\0')
            continue;
        const int result = name == conf->password_file ? try_password(name, owner, &failure)
                                                       : try_file(name, owner, is_secret, &failure);
        if (result != 0)
            problem_add(conf_reading.problems,
                        errno == EPERM || errno == ENOENT ? PROBLEM_ERROR : PROBLEM_FAILURE,
                        conf_reading.path, conf_reading.line_of[i], "%s: %s", rows[i].name,
                        failure.text);
    }
}

static int conf_parse(const struct source *source, uid_t owner)
{
    if (!is_plain(source))
        return 0;
    if (parse(source->text) != 0)
        return -1;
    if (!found_errors())
        check_whole(conf_reading.conf);
    if (!found_errors())
        check_files(conf_reading.conf, owner);
    return 0;
}

int fleet_conf_read(const char *path, uid_t owner, const struct source_draft *draft,
                    struct fleet_conf *conf, struct problems *problems)
{
    struct source_set set = {0};
    const size_t failures = problems->failures;
    int result = -1;

    *conf = (struct fleet_conf){
        .prefix = "tmout", .timeout_ms = 500, .hold_ms = 3000, .lease_ms = FLEET_LEASE_MS};
    if (draft == NULL && source_identity_now(path, false).kind == SOURCE_ABSENT)
        return 2;
    memset(&conf_reading, 0, sizeof conf_reading);
    conf_reading.conf = conf;
    conf_reading.path = path;
    conf_reading.problems = problems;
    conf_reading.errors_before = problems->errors;
    if (source_read_one(path, owner, draft, &set, problems) == 0 &&
        (set.item[0].text == NULL || conf_parse(&set.item[0], owner) == 0))
        result = problems->failures > failures ? -1 : found_errors();
    else
        problem_add(problems, PROBLEM_FAILURE, path, 0, "out of memory");
    sources_free(&set);
    return result;
}

/*
 * Fuzzes the parsing of the files of /proc/PID. The first byte of the input
 * says which file it is; the rest is the file. The parsed values are formatted
 * as the kernel does and parsed again.
 */
#include "tests/fuzz/fuzz.h"

#include "lib/host/proc_text.h"

#include <inttypes.h>
#include <sys/sysmacros.h>

static void fuzz_stat(const char *text)
{
    struct process process = {.pid = 4711}, again;
    char written[256], name[32];

    if (!proc_text_stat(text, &process)) {
        MUST(process.pid == 4711);
        return;
    }
    snprintf(written, sizeof written,
             "%d (a) ) %c %d 1 %d %d 0 0 %" PRIu64 " 0 0 0 0 0 0 0 0 0 0 0 %" PRIu64 " 1\n",
             (int)process.pid, process.state, (int)process.parent, (int)process.session,
             (int)process.terminal, process.minor_faults, process.start_ticks);
    MUST(proc_text_stat(written, &again));
    MUST(memcmp(&again, &process, sizeof again) == 0);
    terminal_name_of_stat(process.terminal, name, sizeof name);
    MUST(strlen(name) < sizeof name);
}

static void fuzz_children(char *text)
{
    const size_t size = strlen(text);
    char *rest = text;
    size_t count = 0;
    pid_t pid;

    while ((pid = proc_text_next_child(&rest)) != 0) {
        MUST(pid > 0);
        MUST(rest == NULL || (rest > text && rest <= text + size));
        count++;
    }
    MUST(count <= size / 2 + 1);
}

static void fuzz_numbers(const char *text)
{
    struct io_bytes bytes;
    struct cpu_use use;
    uint32_t number = UINT32_MAX;
    unsigned index;
    uid_t uid[4];

    (void)proc_text_io(text, &bytes);
    (void)proc_text_cpu_use(text, &use);
    (void)proc_text_is_runnable(text);
    (void)proc_text_tty_index(text, &index);
    (void)proc_text_uids(text, uid);
    if (proc_text_audit_number(text, &number))
        MUST(number != UINT32_MAX);
}

static void fuzz_device(const char *text)
{
    const dev_t device = makedev((unsigned)strlen(text) & 0xfff, 0x12345);
    const uint32_t terminal = terminal_in_stat(device);

    MUST((terminal >> 8 & 0xfff) == major(device));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = fuzz_text(data + 1, size - 1);
    switch (data[0] % 3) {
    case 0:
        fuzz_stat(text);
        break;
    case 1:
        fuzz_children(text);
        break;
    default:
        fuzz_numbers(text);
        fuzz_device(text);
    }
    free(text);
    return 0;
}

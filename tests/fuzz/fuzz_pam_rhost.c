/*
 * Fuzzes the origin of a login with what the remote side can choose: the name
 * in PAM_RHOST, and SSH_CONNECTION. The input's first letter says which: c for
 * the connection, h for the host, b for the connection up to a newline and the
 * host after it; s is like c with a terminal called ssh. Only a connection may
 * provide an address by which attempts are counted, and nothing that is logged
 * may look like another field or line.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/unit/pam_module/pam_stub.h"

#include "pam_module/login_origin.h"

/* The address that a ledger stores is read back as the same source. */
static void check_origin(const struct origin *origin)
{
    static const unsigned char none[16];
    char text[ORIGIN_TEXT_MAX];

    memset(text, 'x', sizeof text);
    origin_format(origin, text, sizeof text);
    MUST(strnlen(text, sizeof text) < sizeof text);
    MUST(origin->kind >= ORIGIN_LOCAL && origin->kind <= ORIGIN_IPV6);
    if (origin->kind == ORIGIN_LOCAL || origin->kind == ORIGIN_NETWORK) {
        MUST(memcmp(origin->address, none, sizeof none) == 0);
        return;
    }
    const size_t used = origin->kind == ORIGIN_IPV4 ? 4 : 8;
    MUST(memcmp(origin->address + used, none, sizeof none - used) == 0);
    text[strcspn(text, "/")] = '\0';
    const struct origin again = origin_of_address(text);
    MUST(memcmp(&again, origin, sizeof again) == 0);
}

static void check_address(const char *address, size_t size)
{
    MUST(strnlen(address, size) < size);
    for (; *address != '\0'; address++)
        MUST(*address > ' ' && *address < 0x7f && *address != '=' && *address != '"');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pam_handle handle = {.service = "login", .tty = "tty1"};
    const struct module_args args = {.caller = {.real = 0}}; /* as in sshd */
    struct login_origin login;

    if (size == 0)
        return 0;
    char *text = fuzz_text(data + 1, size - 1);
    char *newline = strchr(text, '\n');
    const struct origin of_text = origin_of_address(text);
    check_origin(&of_text);
    if (data[0] == 'c' || data[0] == 's' || data[0] == 'b')
        handle.ssh_connection = text;
    if (data[0] == 's')
        handle.tty = "ssh";
    if (data[0] == 'h')
        handle.remote_host = text;
    if (data[0] == 'b' && newline != NULL) {
        *newline = '\0';
        handle.remote_host = newline + 1;
    }
    memset(&login, 0xa5, sizeof login);
    login_origin_find(&handle, &args, &login);
    check_address(login.address, sizeof login.address);
    check_origin(&login.origin);
    if (handle.ssh_connection == NULL || handle.ssh_connection[0] == '\0')
        MUST(login.origin.kind == ORIGIN_LOCAL || login.origin.kind == ORIGIN_NETWORK);
    MUST((login.origin.kind == ORIGIN_LOCAL) == (strcmp(login.address, "local") == 0));
    if ((handle.ssh_connection != NULL) ||
        (handle.remote_host != NULL && handle.remote_host[0] != '\0'))
        MUST(login.origin.kind != ORIGIN_LOCAL);
    free(text);
    return 0;
}

#include "pam_module/log_name.h"

#include <stdbool.h>

static bool is_harmless(unsigned char c)
{
    return c > ' ' && c < 0x7f && c != '=' && c != '"';
}

void log_name(const char *name, char *text, size_t size)
{
    size_t i = 0;

    for (; name[i] != '\0' && i + 1 < size; i++)
        text[i] = is_harmless((unsigned char)name[i]) ? name[i] : '?';
    text[i] = '\0';
}

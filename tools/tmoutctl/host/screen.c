#include "tools/tmoutctl/host/screen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct screen screen_find(void)
{
    const char *kind = getenv("TERM"), *no_color = getenv("NO_COLOR");
    struct screen screen = {.is_terminal = isatty(STDOUT_FILENO) != 0};
    struct winsize size;

    screen.is_dumb = kind == NULL || kind[0] == '\0' || strcmp(kind, "dumb") == 0;
    screen.has_color =
        screen.is_terminal && !screen.is_dumb && (no_color == NULL || no_color[0] == '\0');
    if (screen.is_terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
        screen.columns = size.ws_col;
        screen.rows = size.ws_row;
    }
    return screen;
}

#include "tools/tmoutctl/sessions/text.h"

#include "lib/policy/duration.h"
#include "tools/tmoutctl/print.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum column {
    COLUMN_USER,
    COLUMN_FROM,
    COLUMN_SERVICE,
    COLUMN_TERMINAL,
    COLUMN_SINCE,
    COLUMN_IDLE,
    COLUMN_LIMIT,
    COLUMN_LEFT,
    COLUMN_THEN,
    COLUMN_FOUND_BY,
    COLUMN_COUNT
};

static const struct {
    const char *heading;
    int width;    /* at least; negative: aligned to the left */
    int gap;      /* in front */
    unsigned use; /* which one is left out first: the highest */
} columns[COLUMN_COUNT] = {
    [COLUMN_USER] = {"user", -12, 0, 0},      [COLUMN_FROM] = {"from", -20, 1, 5},
    [COLUMN_SERVICE] = {"service", -8, 1, 8}, [COLUMN_TERMINAL] = {"terminal", -8, 1, 1},
    [COLUMN_SINCE] = {"since", -19, 1, 7},    [COLUMN_IDLE] = {"idle", 8, 1, 3},
    [COLUMN_LIMIT] = {"limit", 8, 1, 6},      [COLUMN_LEFT] = {"left", 8, 1, 2},
    [COLUMN_THEN] = {"then", -16, 2, 4},      [COLUMN_FOUND_BY] = {"found by", -8, 2, 9},
};

enum { CELL_MAX = 256, LINE_MAX_SIZE = COLUMN_COUNT * (CELL_MAX + 2) };

struct session_cells {
    char text[COLUMN_COUNT][CELL_MAX];
};

static void format_duration(int64_t time_ms, char *text)
{
    if (time_ms == NEVER_MS)
        snprintf(text, CELL_MAX, "-");
    else
        duration_format(time_ms / 1000, text, CELL_MAX);
}

/* What others have chosen must not control the terminal. */
static void format_foreign(const char *from, char *text)
{
    const bool is_clean = is_clean_text(from);

    snprintf(text, CELL_MAX, "%s", from[0] != '\0' ? from : "-");
    for (char *c = text; !is_clean && *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
}

/* What will end it, and how sure that is. */
static void format_end(const struct session_row *row, char *text)
{
    static const char *const notes[] = {[LIMITS_IN_FORCE] = "",
                                        [LIMITS_KNOWN_LAST] = " (known last)",
                                        [LIMITS_UNKNOWN] = "unknown"};
    const bool is_unknown = row->limits_state == LIMITS_UNKNOWN;

    snprintf(text, CELL_MAX, "%s%s",
             row->setting != NULL ? row->setting
             : is_unknown         ? ""
                                  : "-",
             notes[row->limits_state]);
}

static void format_cells(const struct session_row *row, struct session_cells *cells)
{
    format_foreign(row->login.user, cells->text[COLUMN_USER]);
    format_foreign(row->login.address, cells->text[COLUMN_FROM]);
    format_foreign(row->login.service, cells->text[COLUMN_SERVICE]);
    format_foreign(row->terminal, cells->text[COLUMN_TERMINAL]);
    format_time(row->login.since.wall_ms / 1000, cells->text[COLUMN_SINCE], CELL_MAX);
    format_duration(row->idle_ms, cells->text[COLUMN_IDLE]);
    format_duration(row->limit_ms, cells->text[COLUMN_LIMIT]);
    format_duration(row->left_ms, cells->text[COLUMN_LEFT]);
    format_end(row, cells->text[COLUMN_THEN]);
    snprintf(cells->text[COLUMN_FOUND_BY], CELL_MAX, "%s",
             row->is_own ? "-" : login_source_name(row->login.source));
}

/* How many characters of UTF-8 it has. */
static size_t text_width(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += (*text & 0xc0) != 0x80;
    return width;
}

/* How wide a column is where nothing is left out. */
static size_t column_width(enum column column, const struct session_cells *cells, size_t count)
{
    size_t width = (size_t)abs(columns[column].width);

    for (size_t i = 0; i < count; i++) {
        const size_t needed = text_width(cells[i].text[column]);
        if (needed > width)
            width = needed;
    }
    return width;
}

/* Sets width[] to 0 for what is left out. */
static void choose_columns(const struct session_cells *cells, size_t count, unsigned room,
                           size_t width[COLUMN_COUNT])
{
    size_t used = 0;

    memset(width, 0, COLUMN_COUNT * sizeof *width);
    for (unsigned use = 0; use < COLUMN_COUNT; use++) {
        enum column column = COLUMN_USER;
        while (columns[column].use != use)
            column++;
        const size_t needed =
            room == 0 ? (size_t)abs(columns[column].width) : column_width(column, cells, count);
        used += needed + (size_t)columns[column].gap;
        if (room != 0 && used > room && use > 0)
            return;
        width[column] = needed;
    }
}

/* Cuts a line off behind so many characters. */
static void cut_line(char *line, size_t room)
{
    size_t width = 0;

    for (char *c = line; *c != '\0'; c++) {
        width += (*c & 0xc0) != 0x80;
        if (width > room) {
            *c = '\0';
            return;
        }
    }
}

static void print_session_line(const struct session_cells *cells, const size_t width[COLUMN_COUNT],
                               const struct session_layout *layout, const char *color)
{
    char line[LINE_MAX_SIZE];
    size_t used = 0;

    line[0] = '\0';
    for (enum column column = COLUMN_USER; column < COLUMN_COUNT; column++) {
        const char *text = cells->text[column];
        if (width[column] == 0)
            continue;
        const size_t own = text_width(text);
        const int padding = own < width[column] ? (int)(width[column] - own) : 0;
        const bool is_left = columns[column].width < 0;
        used += (size_t)snprintf(line + used, sizeof line - used, "%*s%*s%s%*s",
                                 used > 0 ? columns[column].gap : 0, "", is_left ? 0 : padding, "",
                                 text, is_left ? padding : 0, "");
    }
    while (used > 0 && line[used - 1] == ' ')
        line[--used] = '\0';
    if (layout->columns != 0)
        cut_line(line, layout->columns);
    printf("%s%s%s%s", color, line, color[0] != '\0' ? "\033[m" : "", layout->line_end);
}

static const char *row_color(const struct session_row *row, const struct session_layout *layout)
{
    enum { SOON_MS = 60 * 1000, NEAR_MS = 5 * SOON_MS };

    if (!layout->has_color || row->left_ms == NEVER_MS)
        return "";
    return row->left_ms < SOON_MS ? "\033[31m" : row->left_ms < NEAR_MS ? "\033[33m" : "";
}

void print_session_table(const struct session_table *table, const struct session_layout *layout)
{
    struct session_cells heading;
    size_t width[COLUMN_COUNT];
    struct session_cells *cells = calloc(table->count + 1, sizeof *cells);
    /* The heading, and the line that counts those that are left out. */
    const size_t room = layout->rows > 2 ? layout->rows - 2 : 1;
    const size_t shown = layout->rows == 0 || table->count <= room ? table->count : room - 1;

    if (cells == NULL) {
        report("out of memory");
        return;
    }
    for (enum column column = COLUMN_USER; column < COLUMN_COUNT; column++)
        snprintf(heading.text[column], CELL_MAX, "%s", columns[column].heading);
    for (size_t i = 0; i < shown; i++)
        format_cells(&table->row[i], &cells[i]);
    choose_columns(cells, shown, layout->columns, width);
    print_session_line(&heading, width, layout, layout->has_color ? "\033[1m" : "");
    for (size_t i = 0; i < shown; i++)
        print_session_line(&cells[i], width, layout, row_color(&table->row[i], layout));
    if (shown < table->count)
        printf("... and %zu more%s", table->count - shown, layout->line_end);
    free(cells);
}

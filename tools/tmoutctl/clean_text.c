#include "tools/tmoutctl/clean_text.h"

#include "tools/tmoutctl/cli.h"

#include <stdbool.h>
#include <stdint.h>

/* Ranges of characters that are not seen, or change what is seen of others:
 * Unicode's controls, separators of lines, and "Default_Ignorable_Code_Point"
 * as far as it has to do with the direction of writing or with width; and what
 * json_text() puts in the place of a byte that is no character. */
static const struct {
    uint32_t first, last;
} hidden[] = {{0x00, 0x1f},     {0x7f, 0x9f},     {0xad, 0xad},      {0x61c, 0x61c},
              {0x180e, 0x180e}, {0x200b, 0x200f}, {0x2028, 0x202e},  {0x2060, 0x206f},
              {0xfeff, 0xfeff}, {0xfff9, 0xfffd}, {0xe0000, 0xe007f}};

size_t clean_length(const char *text)
{
    const unsigned char *byte = (const unsigned char *)text;
    const size_t length = utf8_length(byte);
    /* The first byte of several has as many ones in front as there are. */
    uint32_t character = length == 1 ? byte[0] : byte[0] & (0x7fu >> length);

    for (size_t i = 1; i < length; i++)
        character = character << 6 | (byte[i] & 0x3fu);
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (character >= hidden[i].first && character <= hidden[i].last)
            return 0;
    return length;
}

/* FNV-1a, for the files that we write and read back. It detects accidents, not
 * forgeries: only root can write there. */
#ifndef TMOUT_HOST_CHECKSUM_H
#define TMOUT_HOST_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

#define CHECKSUM_START UINT64_C(0xcbf29ce484222325)

/* The checksum of data, continuing from that of what precedes it. */
static inline uint64_t checksum(uint64_t sum, const void *data, size_t size)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < size; i++)
        sum = (sum ^ p[i]) * UINT64_C(0x100000001b3);
    return sum;
}

/* The same in steps of eight bytes, for what is checked at every login;
 * size is a multiple of that. */
static inline uint64_t checksum_words(uint64_t sum, const void *data, size_t size)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
        uint64_t word;
        __builtin_memcpy(&word, p + i, sizeof word);
        sum = (sum ^ word) * UINT64_C(0x100000001b3);
        sum ^= sum >> 32;
    }
    return sum;
}

/* As CHECKSUM_OF, in steps of eight bytes. */
#define CHECKSUM_WORDS_OF(start, object)                                                           \
    checksum_words((start),                                                                        \
                   (const unsigned char *)&(object) + offsetof(__typeof__(object), checksum) +     \
                       sizeof(object).checksum,                                                    \
                   sizeof(object) - offsetof(__typeof__(object), checksum) -                       \
                       sizeof(object).checksum)

/* Of a struct's content behind its field called checksum. */
#define CHECKSUM_OF(start, object)                                                                 \
    checksum((start),                                                                              \
             (const unsigned char *)&(object) + offsetof(__typeof__(object), checksum) +           \
                 sizeof(object).checksum,                                                          \
             sizeof(object) - offsetof(__typeof__(object), checksum) - sizeof(object).checksum)

#endif

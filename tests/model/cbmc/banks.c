/* The two banks of lib/attempts/ledger_record.c, for all sequence numbers. */
#include "tests/model/cbmc/nondet.h"

/* In place of lib/host/checksum.h: only the words at a bank's ends matter here. */
#define TMOUT_HOST_CHECKSUM_H
#define CHECKSUM_START                  UINT64_C(0)
#define checksum(sum, data, size)       ((void)(sum), (void)(data), (void)(size), nondet_u64())
#define checksum_words(sum, data, size) checksum(sum, data, size)

/* What is checked is static there. */
#include "lib/attempts/ledger_record.c" /* NOLINT(bugprone-suspicious-include) */

/* A write that a kill or a power cut may have ended at any point leaves the old content
 * in force until the new one is complete. */
void prove_banks(void)
{
    const uint32_t sequence = nondet_u32();
    const unsigned in_force = sequence & 1, next = (sequence + 1) & 1;
    uint64_t lead[2], trail[2];

    lead[in_force] = trail[in_force] = commit_word(sequence);
    lead[next] = trail[next] = commit_word(sequence - 1);
    claim(choose_bank(lead, trail) == (int)in_force);
    const bool lead_written = nondet_bool(), trail_written = nondet_bool();
    if (lead_written)
        lead[next] = commit_word(sequence + 1);
    if (trail_written)
        trail[next] = commit_word(sequence + 1);
    claim(choose_bank(lead, trail) == (int)(lead_written && trail_written ? next : in_force));
}

/* Of any bytes in their place, a bank is taken only if its words are those of a sequence
 * that belongs there, and the other one's are not later. */
void prove_damaged_banks(void)
{
    const uint64_t lead[2] = {nondet_u64(), nondet_u64()};
    const uint64_t trail[2] = {nondet_u64(), nondet_u64()};
    const int which = choose_bank(lead, trail);

    claim(which >= -1 && which <= 1);
    if (which < 0)
        return;
    claim(lead[which] == trail[which] && lead[which] == commit_word((uint32_t)lead[which]));
    claim((lead[which] & 1) == (unsigned)which);
    if (lead[!which] == trail[!which])
        claim((int32_t)((uint32_t)lead[which] - (uint32_t)lead[!which]) > 0);
}

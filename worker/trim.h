/* Gives memory back that an agent without a run does not need: what its start touched, and what its
 * last runs had allocated.
 *
 * The agent links fifty shared libraries (libcurl alone brings thirty); loading and initialising
 * them touches some 10 MB of their code once.  These pages are clean copies of files: dropped from
 * the process they cost nothing, and what is needed again is mapped again from the page cache.  On
 * a Raspberry Pi the other programs are glad of it. Source: madvise(2), MADV_DONTNEED on private
 * file mappings without dirty pages. */
#pragma once

/* When the agent has begun to wait. */
void trim_memory(void);

// SPDX-License-Identifier: GPL-2.0-only
/*
 * Did the data arrive?
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "inspect.h"

uint64_t inspect_seed(void)
{
	uint64_t seed;
	struct timespec now;

	if (getrandom(&seed, sizeof(seed), 0) == sizeof(seed))
		return seed;
	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* The byte at @i of memory that is filled with @poison. */
static unsigned char poison_byte(uint64_t poison, size_t i)
{
	return ((const unsigned char *)&poison)[i % sizeof(poison)];
}

uint64_t inspect_poison(uint64_t *seq, void *mem, size_t len)
{
	/* the golden ratio's steps visit every value once */
	uint64_t poison = *seq += 0x9e3779b97f4a7c15ULL;
	unsigned char *p = mem;
	size_t i;

	for (i = 0; i + sizeof(poison) <= len; i += sizeof(poison))
		memcpy(p + i, &poison, sizeof(poison));
	for (; i < len; i++)
		p[i] = poison_byte(poison, i);
	return poison;
}

bool inspect_is_poison(uint64_t poison, const void *mem, size_t at, size_t len)
{
	const unsigned char *p = mem;

	for (size_t i = at; i < at + len; i++) {
		if (p[i] != poison_byte(poison, i))
			return false;
	}
	return true;
}

ssize_t inspect_read(int fd, off_t offset, void *to, size_t len, struct why *why)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, (char *)to + got, len - got, offset + got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return why_set(why, -errno, "compare=1: pread of %zu bytes at %lld: %s",
				       len - got, (long long)(offset + got), strerror(errno));
		if (!n)
			break;
		got += n;
	}
	return got;
}

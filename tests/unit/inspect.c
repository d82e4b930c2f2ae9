// SPDX-License-Identifier: GPL-2.0-only
/*
 * Poison is used once, and is known from data; a plain read gives what is there, stops at the end,
 * and says why it failed.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/inspect.h"
#include "tests/unit/check.h"

static unsigned char mem[65536], scratch[65536];

static void poison(void)
{
	static const size_t lens[] = { 1, 7, 8, 100, 511, 512, 513, 1000, 4096, 5000, 65536 };
	uint64_t seq = inspect_seed();

	check(inspect_seed() != seq);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		size_t len = lens[i];
		uint64_t value = inspect_poison(&seq, mem, len);

		check(inspect_is_poison(value, mem, 0, len));
		check(inspect_is_poison(value, mem, len / 3, len - len / 3));
		mem[len - 1] ^= 1;
		check(!inspect_is_poison(value, mem, 0, len));
		check(inspect_is_poison(value, mem, 0, len - 1));
		/* an earlier poison, as a drive may hold, is data */
		check(inspect_poison(&seq, mem, len) != value);
		if (len >= 8)
			check(!inspect_is_poison(value, mem, 0, len));
	}
}

static void plain_read(void)
{
	int fd = memfd_create("target", 0);
	struct why why;

	check(fd >= 0);
	for (size_t i = 0; i < sizeof(mem); i++)
		mem[i] = i * 7 + i / 256;
	check(pwrite(fd, mem, sizeof(mem), 4096) == sizeof(mem));
	check(inspect_read(fd, 4096, scratch, sizeof(mem), &why) == sizeof(mem));
	check(!memcmp(mem, scratch, sizeof(mem)));
	check(inspect_read(fd, 4096 + 512, scratch, 512, &why) == 512);
	check(!memcmp(mem + 512, scratch, 512));

	/* up to the end, past it, and a descriptor that is none */
	check(inspect_read(fd, sizeof(mem), scratch, 65536, &why) == 4096);
	check(inspect_read(fd, 4096 + sizeof(mem), scratch, 512, &why) == 0);
	close(fd);
	check(inspect_read(fd, 0, scratch, 512, &why) < 0);
	check(strstr(why.text, "compare=1: pread of 512 bytes at 0: Bad file descriptor"));
}

int main(void)
{
	poison();
	plain_read();
	return 0;
}

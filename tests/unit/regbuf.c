// SPDX-License-Identifier: GPL-2.0-only
/*
 * Slots: user memory is registered and read into by address; a dma-buf that cannot be is
 * refused with a reason; the probe gives an answer and leaves nothing behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/regbuf.h"
#include "tests/unit/check.h"

#define SIZE	(1UL << 20)

static void read_into_slots(void)
{
	struct ring_conf conf = { .depth = 4 };
	struct io_uring_cqe *cqe;
	struct ring ring = { 0 };
	char *mem, *source;
	struct why why;
	int fd;

	if (ring_init(&ring, &conf, &why))
		skip("no ring: %s", why.text);
	fd = memfd_create("source", 0);
	check(fd >= 0 && !ftruncate(fd, SIZE));
	source = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	mem = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	check(source != MAP_FAILED && mem != MAP_FAILED);
	for (size_t i = 0; i < SIZE; i++)
		source[i] = i * 31 + i / 4096;

	check(!regbuf_table(&ring, 3, &why));
	check(!regbuf_user(&ring, 0, mem, SIZE, SIZE, &why));
	check(!regbuf_user(&ring, 2, mem + SIZE, SIZE, SIZE, &why));

	for (unsigned int slot = 0; slot < 3; slot++) {
		char *to = mem + (slot == 2 ? SIZE : 0) + 8192;
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring.uring);

		io_uring_prep_read_fixed(sqe, fd, to, 65536, 4096, slot);
		check(!ring_wait(&ring, 1));
		check(!io_uring_peek_cqe(&ring.uring, &cqe));
		/* the one between was left empty */
		check(cqe->res == (slot == 1 ? -EFAULT : 65536));
		io_uring_cqe_seen(&ring.uring, cqe);
		if (slot != 1)
			check(!memcmp(to, source + 4096, 65536));
	}

	/* no such slot, too large, not memory */
	check(regbuf_user(&ring, 3, mem, SIZE, SIZE, &why) < 0);
	check(strstr(why.text, "io_uring_register: 1048576 bytes"));
	check(regbuf_user(&ring, 1, mem, REGBUF_MAX_USER + 4096, SIZE, &why) < 0);
	check(regbuf_user(&ring, 1, (void *)(uintptr_t)4096, SIZE, SIZE, &why) < 0);

	/* a second table, and one too large */
	check(regbuf_table(&ring, 1, &why) < 0);
	check(regbuf_table(&ring, REGBUF_MAX_SLOTS + 1, &why) == -EINVAL);
	check(strstr(why.text, "16385 registered buffers are needed, io_uring has 16384 at most"));

	ring_exit(&ring);
	munmap(mem, 2 * SIZE);
	munmap(source, SIZE);
	close(fd);
}

static void probe(void)
{
	int before = dup(0), after;
	struct why why = { "" };
	enum regbuf_support support = regbuf_probe(&why);

	close(before);
	after = dup(0);
	check(after == before);
	close(after);
	check((support == REGBUF_SUPPORTED) == !why.text[0]);
	printf("support %d: %s\n", support, why.text);
}

/* Neither descriptor is what it has to be; the kernel must not be believed to have taken them. */
static void no_dmabuf(void)
{
	struct ring_conf conf = { .depth = 1 };
	struct ring ring = { 0 };
	struct why why;
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	check(!ring_init(&ring, &conf, &why));
	check(!regbuf_table(&ring, 1, &why));
	check(regbuf_dmabuf(&ring, 0, fd, fd, "/dev/null", 0, &why) < 0);
	check(why.text[0]);
	printf("%s\n", why.text);
	check(regbuf_dmabuf(&ring, 0, -1, fd, "/dev/null", 0, &why) < 0);
	ring_exit(&ring);
	close(fd);
}

int main(void)
{
	read_into_slots();
	probe();
	no_dmabuf();
	return 0;
}

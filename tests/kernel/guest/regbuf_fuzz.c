// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random and mutated registration calls and requests, while ordinary verified
 * I/O runs. What succeeds must have been right, each request must complete, and
 * nobody else's data may change. The kernel's own checks are the other half.
 *
 * regbuf_fuzz CALLS DEVICE DEVICE [SEED]: the second drive is the ordinary
 * I/O's. The same seed makes the same calls.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

#define SLOTS		8
#define DEPTH		32
#define SIZE		65536UL
#define PATIENCE_S	120
#define POISON		0xa5
#define COUNT(a)	(sizeof(a) / sizeof(*(a)))

static uint64_t state;
static unsigned int in_flight;
static unsigned long registered, refused, succeeded, failed;

/* The ordinary I/O ---------------------------------------------------------- */

/* In memory that both processes see. */
struct witness {
	pid_t pid;
	bool stop;
	unsigned long done;
};

/* A process of its own: a descriptor made up by the other must not be one of these. */
static void witness_run(struct witness *self, const char *path)
{
	struct io_uring own;
	struct dmabuf buf;
	unsigned char *ref = aligned(SIZE);
	int drive = dev_open(path);
	uint64_t seed = 1;

	dmabuf_create(&buf, SIZE);
	ring_create(&own, 8, 0, 1);
	if (regbuf_dmabuf(&own, 0, buf.fd, drive) != 1)
		die("register");
	while (!__atomic_load_n(&self->stop, __ATOMIC_RELAXED)) {
		fill(buf.map, SIZE, ++seed);
		memcpy(ref, buf.map, SIZE);
		check(do_rw(&own, true, drive, 0, 0, SIZE, 0, 0) == (int)SIZE, "witness: write");
		memset(buf.map, POISON, SIZE);
		check(do_rw(&own, false, drive, 0, 0, SIZE, 0, 0) == (int)SIZE, "witness: read");
		check(!memcmp(ref, buf.map, SIZE), "witness: wrong data");
		self->done++;
	}
	exit(t_done());
}

static struct witness *witness_start(const char *path)
{
	struct witness *self = mmap(NULL, sizeof(*self), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (self == MAP_FAILED)
		die("mmap: %m");
	self->pid = fork();
	if (self->pid < 0)
		die("fork: %m");
	if (!self->pid)
		witness_run(self, path);
	return self;
}

static void witness_end(struct witness *self)
{
	int status;

	__atomic_store_n(&self->stop, true, __ATOMIC_RELAXED);
	waitpid(self->pid, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status), "the witness ended with %#x", status);
	check(self->done > 10, "the witness hardly ran: %lu rounds", self->done);
}

/* What calls are made of ---------------------------------------------------- */

static struct io_uring ring;
static struct dmabuf bufs[4];	/* a udmabuf, one that moves, another one, one of no length */
static unsigned char *scratch;
static int dev, buffered, regular;

static unsigned int roll(unsigned int n)
{
	return next_random(&state) % n;
}

static bool once_in(unsigned int n)
{
	return !roll(n);
}

/* A number that code is likely to get wrong. */
static uint64_t odd_number(void)
{
	static const uint64_t numbers[] = {
		0, 1, 2, 3, 31, 32, 33, 511, 512, 513, 4095, 4096, 4097, SIZE - 512, SIZE - 1,
		SIZE, SIZE + 1, 1 << 20, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
		0x7fffffffffffffff, 0x8000000000000000, 0xfffffffffffff000, 0xffffffffffffffff,
	};

	return once_in(4) ? next_random(&state) : numbers[roll(COUNT(numbers))];
}

static int some_fd(void)
{
	const int fds[] = {
		bufs[0].fd, bufs[1].fd, bufs[2].fd, bufs[3].fd, dev, buffered, regular,
		ring.ring_fd, -1, 9999,
	};

	return fds[roll(COUNT(fds))];
}

/* Change one byte, or put a number that matters somewhere. Keep off what would destroy the test. */
static void mutate(void *object, size_t len)
{
	unsigned char *bytes = object;
	uint32_t word = odd_number();

	if (once_in(2))
		bytes[roll(len)] ^= 1 << roll(8);
	else
		memcpy(bytes + roll(len / 4) * 4, &word, sizeof(word));
}

/* Registration -------------------------------------------------------------- */

static struct io_uring_regbuf_desc some_desc(void)
{
	struct io_uring_regbuf_desc desc = {
		.type = IO_REGBUF_TYPE_DMABUF,
		.dmabuf_fd = bufs[roll(3)].fd,
		.target_fd = dev,
	};
	unsigned int n;

	if (once_in(4))
		desc = (struct io_uring_regbuf_desc){ };
	else if (once_in(4))
		desc = (struct io_uring_regbuf_desc){
			.type = IO_REGBUF_TYPE_UADDR,
			.uaddr = (uintptr_t)scratch,
			.size = SIZE,
		};
	for (n = roll(3); n; n--) {
		if (once_in(3))
			desc.dmabuf_fd = some_fd();
		else if (once_in(3))
			desc.target_fd = some_fd();
		else
			mutate(&desc, sizeof(desc));
	}
	return desc;
}

/* What the kernel may accept, and nothing else. */
static bool acceptable(const struct io_uring_regbuf_desc *desc)
{
	static const struct io_uring_regbuf_desc zero;

	if (desc->flags || memcmp(desc->reserved, zero.reserved, sizeof(zero.reserved)))
		return false;
	switch (desc->type) {
	case IO_REGBUF_TYPE_EMPTY:
		return !desc->size && !desc->uaddr;
	case IO_REGBUF_TYPE_UADDR:
		return true;
	case IO_REGBUF_TYPE_DMABUF:
		return !desc->size && !desc->uaddr && desc->target_fd == dev &&
		       (desc->dmabuf_fd == bufs[0].fd || desc->dmabuf_fd == bufs[1].fd ||
			desc->dmabuf_fd == bufs[2].fd);
	default:
		return false;
	}
}

static void fuzz_register(void)
{
	struct io_uring_regbuf_desc descs[3] = { some_desc(), some_desc(), some_desc() };
	uint64_t tags[3] = { };
	struct regbuf_update up = {
		.offset = roll(SLOTS),
		.flags = IORING_RSRC_UPDATE_EXTENDED,
		.data = (uintptr_t)descs,
		.nr = 1 + roll(3),
	}, sent;
	unsigned int nr_args = sizeof(up), opcode = IORING_REGISTER_BUFFERS_UPDATE;
	int ret, i;

	if (once_in(4))
		mutate(&up, sizeof(up));
	/* A tag that is not 0 would be posted, and counted as a request. */
	up.tags = once_in(8) ? (uintptr_t)tags : 0;
	if (once_in(20))
		nr_args = odd_number();
	sent = up;
	ret = syscall(__NR_io_uring_register, ring.ring_fd, opcode, &up, nr_args);
	if (ret < 0) {
		refused++;
		return;
	}
	registered++;
	if (sent.flags != IORING_RSRC_UPDATE_EXTENDED || sent.data != (uintptr_t)descs)
		return;
	check(nr_args == sizeof(up) && !sent.resv2 && ret >= 1 && ret <= (int)sent.nr &&
	      sent.offset + ret <= SLOTS, "%d of %u accepted at %u, nr_args %u", ret, sent.nr,
	      sent.offset, nr_args);
	for (i = 0; i < ret && i < 3; i++)
		check(acceptable(&descs[i]), "accepted: type %u flags %u size %llu uaddr %#llx "
		      "dmabuf_fd %d target_fd %d", descs[i].type, descs[i].flags, descs[i].size,
		      descs[i].uaddr, descs[i].dmabuf_fd, descs[i].target_fd);
}

/* Requests ------------------------------------------------------------------ */

static void reap(bool all)
{
	struct __kernel_timespec patience = { .tv_sec = PATIENCE_S };
	struct io_uring_cqe *cqe;
	int ret;

	while (in_flight) {
		uint64_t end = now_ms() + PATIENCE_S * 1000;

		if (io_uring_peek_cqe(&ring, &cqe)) {
			if (!all && in_flight < DEPTH)
				return;
			/* With IOPOLL it comes back early while workers have the requests. */
			do {
				ret = io_uring_wait_cqe_timeout(&ring, &cqe, &patience);
			} while (ret == -ETIME && now_ms() < end);
			if (ret)
				die("%u requests do not complete after %lu that did: %s", in_flight,
				    succeeded + failed, strerror(-ret));
		}
		/* The length that was asked for is in the user data. */
		check(cqe->res <= (long long)cqe->user_data, "%d bytes of %llu", cqe->res,
		      cqe->user_data);
		cqe->res < 0 ? failed++ : succeeded++;
		io_uring_cqe_seen(&ring, cqe);
		in_flight--;
	}
}

static void fuzz_request(void)
{
	static const unsigned char ops[] = {
		IORING_OP_READ_FIXED, IORING_OP_WRITE_FIXED, IORING_OP_READ_FIXED,
		IORING_OP_WRITE_FIXED, IORING_OP_NOP, IORING_OP_WRITE, IORING_OP_FSYNC, 60, 61,
	};
	struct io_uring_sqe *sqe;
	uint64_t offset = roll(SIZE / 512) * 512;
	unsigned int op = ops[roll(COUNT(ops))];
	unsigned int len = (1 + roll(16)) * 512;

	/* Drive 0 may be written anywhere; no memory but the dma-bufs' and scratch is read into. */
	reap(false);
	sqe = io_uring_get_sqe(&ring);
	if (!sqe)
		die("no sqe");
	if (op == IORING_OP_WRITE)
		io_uring_prep_rw(op, sqe, dev, scratch, len, offset);
	else
		io_uring_prep_rw(op, sqe, dev, (void *)(uintptr_t)offset, len, roll(1024) * 512);
	sqe->buf_index = roll(SLOTS);
	/* Not IOSQE_IO_DRAIN: 6.12 loses count among failing requests, and then waits. */
	if (once_in(4))
		sqe->flags = roll(0x40) & (IOSQE_FIXED_FILE | IOSQE_IO_LINK |
					   IOSQE_ASYNC);
	if (once_in(4))
		sqe->addr = odd_number();
	if (once_in(4))
		sqe->len = odd_number();
	if (once_in(6))
		sqe->off = odd_number();
	if (once_in(6))
		sqe->rw_flags = once_in(2) ? roll(0x100) : odd_number();
	/* One on the ring itself would keep the ring after its descriptor is closed. */
	if (once_in(8))
		sqe->fd = some_fd();
	if (sqe->fd == ring.ring_fd)
		sqe->fd = dev;
	if (once_in(8))
		sqe->buf_index = odd_number();
	if (once_in(16))
		sqe->ioprio = odd_number();
	sqe->user_data = sqe->len;
	io_uring_submit(&ring);
	in_flight++;
}

/* The surroundings ---------------------------------------------------------- */

static void new_ring(void)
{
	static const unsigned int flags[] = {
		0, 0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		IORING_SETUP_COOP_TASKRUN, IORING_SETUP_IOPOLL, IORING_SETUP_SQPOLL,
	};

	ring_create(&ring, 2 * DEPTH, flags[roll(COUNT(flags))], SLOTS);
	io_uring_register_files(&ring, &dev, 1);
}

static void fuzz_surroundings(void)
{
	struct {
		uint32_t src_fd, flags, pad[6];
	} clone = { .src_fd = ring.ring_fd };
	struct io_uring other;

	switch (roll(16)) {
	case 0:
		/* what is in flight is the kernel's to finish */
		io_uring_queue_exit(&ring);
		in_flight = 0;
		new_ring();
		break;
	case 1:
		io_uring_unregister_buffers(&ring);
		io_uring_register_buffers_sparse(&ring, SLOTS);
		break;
	case 2:
		ring_create(&other, 4, 0, 0);
		if (once_in(2))
			mutate(&clone, sizeof(clone));
		io_uring_register(other.ring_fd, 30 /* CLONE_BUFFERS */, &clone, 1);
		io_uring_queue_exit(&other);
		break;
	case 3:
		dmabuf_set(&bufs[1], "refuse_map", once_in(2) ? EBUSY : 0);
		break;
	case 4:
		dmabuf_set(&bufs[2], "refuse_attach", once_in(2) ? EIO : 0);
		break;
	default:
		dmabuf_set(&bufs[1 + roll(2)], "move", 1);
	}
}

int main(int argc, char **argv)
{
	struct witness *witness;
	unsigned long calls, i;
	uint64_t start;

	if (argc < 4)
		die("usage: %s CALLS DEVICE DEVICE [SEED]", argv[0]);
	calls = strtoul(argv[1], NULL, 0);
	state = argc > 4 ? strtoull(argv[4], NULL, 0) : 0x9e3779b97f4a7c15ULL;
	printf("seed %#llx\n", (unsigned long long)state);
	fflush(stdout);

	dmabuf_test_load();
	witness = witness_start(argv[3]);
	dmabuf_create(&bufs[0], SIZE);
	dmabuf_pages(&bufs[1], SIZE, 0);
	dmabuf_pages(&bufs[2], SIZE, 2);
	if (dmabuf_try_pages(&bufs[3], 0, 0))
		die("a dma-buf of no length");
	scratch = aligned(SIZE);
	dev = dev_open(argv[2]);
	buffered = open(argv[2], O_RDWR | O_CLOEXEC);
	regular = open("/tmp/regular", O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
	new_ring();

	start = now_ms();
	for (i = 0; i < calls; i++) {
		if (once_in(200))
			fuzz_surroundings();
		else if (once_in(3))
			fuzz_register();
		else
			fuzz_request();
		if (i == calls / 10)
			printf("about %lu s\n", (unsigned long)(now_ms() - start) / 100);
	}
	dmabuf_set(&bufs[1], "refuse_map", 0);
	reap(true);

	printf("%lu calls: %lu registered, %lu refused; %lu requests succeeded, %lu failed; "
	       "%lu rounds of the witness\n", calls, registered, refused, succeeded, failed,
	       witness->done);
	witness_end(witness);
	check(registered > calls / 100 && refused > calls / 100, "one-sided registrations");
	check(succeeded > calls / 100 && failed > calls / 100, "one-sided requests");

	start = now_ms();
	io_uring_queue_exit(&ring);
	dmabuf_settle(&bufs[1]);
	dmabuf_settle(&bufs[2]);
	printf("all detached after %lu ms\n", (unsigned long)(now_ms() - start));
	for (i = 0; i < COUNT(bufs); i++)
		dmabuf_destroy(&bufs[i]);
	close(dev);
	close(buffered);
	close(regular);
	nothing_left();
	return t_done();
}

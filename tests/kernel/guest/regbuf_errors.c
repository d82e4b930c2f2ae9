// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every refusal of the user API, by its errno: what registration refuses, and
 * what I/O on a registered dma-buf refuses.
 */
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/nvme_ioctl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common.h"

static struct io_uring ring;
static struct dmabuf buf;
static int dev;

static void expect(const char *what, int got, int want)
{
	check(got == want, "%s: got %d (%s), want %d (%s)", what, got,
	      got < 0 ? strerror(-got) : "", want, want < 0 ? strerror(-want) : "");
}

static struct io_uring_regbuf_desc good(void)
{
	struct io_uring_regbuf_desc desc = {
		.type = IO_REGBUF_TYPE_DMABUF,
		.dmabuf_fd = buf.fd,
		.target_fd = dev,
	};

	return desc;
}

static int update_raw(unsigned int op, struct regbuf_update *up, unsigned int nr_args)
{
	int ret = syscall(__NR_io_uring_register, ring.ring_fd, op, up, nr_args);

	return ret < 0 ? -errno : ret;
}

static void test_descriptor(void)
{
	struct io_uring_regbuf_desc desc;
	unsigned int i;

	desc = good();
	expect("a good descriptor", regbuf_update(&ring, 0, &desc, 1, NULL), 1);

	desc = good();
	desc.flags = 1;
	expect("flags", regbuf_update(&ring, 0, &desc, 1, NULL), -EINVAL);
	desc = good();
	desc.type = 3;
	expect("unknown type", regbuf_update(&ring, 0, &desc, 1, NULL), -EINVAL);
	desc = good();
	desc.size = buf.size;
	expect("size", regbuf_update(&ring, 0, &desc, 1, NULL), -EINVAL);
	desc = good();
	desc.uaddr = 4096;
	expect("uaddr", regbuf_update(&ring, 0, &desc, 1, NULL), -EINVAL);
	for (i = 0; i < 6; i++) {
		desc = good();
		desc.reserved[i] = 1;
		expect("reserved", regbuf_update(&ring, 0, &desc, 1, NULL), -EINVAL);
	}

	memset(&desc, 0, sizeof(desc));
	expect("the probe's empty slot", regbuf_update(&ring, 0, &desc, 1, NULL), 1);
	desc.type = IO_REGBUF_TYPE_DMABUF;
	desc.dmabuf_fd = desc.target_fd = -1;
	expect("the probe's closed descriptors", regbuf_update(&ring, 0, &desc, 1, NULL), -EBADF);
	desc.target_fd = dev;
	expect("closed dmabuf_fd", regbuf_update(&ring, 0, &desc, 1, NULL), -EBADF);
	desc.dmabuf_fd = buf.fd;
	desc.target_fd = -1;
	expect("closed target_fd", regbuf_update(&ring, 0, &desc, 1, NULL), -EBADF);
	desc.dmabuf_fd = dev;
	desc.target_fd = dev;
	expect("dmabuf_fd is no dma-buf", regbuf_update(&ring, 0, &desc, 1, NULL), -EINVAL);
}

static void test_update(void)
{
	struct io_uring_regbuf_desc descs[2] = { good(), good() };
	struct regbuf_update up = {
		.flags = IORING_RSRC_UPDATE_EXTENDED,
		.data = (uintptr_t)descs,
		.nr = 1,
	};
	const unsigned int op = IORING_REGISTER_BUFFERS_UPDATE;
	struct io_uring other;
	uint64_t tag = 1;

	expect("one slot", update_raw(op, &up, sizeof(up)), 1);
	expect("nr_args 31", update_raw(op, &up, sizeof(up) - 1), -EINVAL);
	expect("nr_args 1", update_raw(op, &up, 1), -EINVAL);
	expect("FILES_UPDATE2", update_raw(IORING_REGISTER_FILES_UPDATE2, &up, sizeof(up)),
	       -EINVAL);
	up.flags = IORING_RSRC_UPDATE_EXTENDED | 1;
	expect("unknown flag", update_raw(op, &up, sizeof(up)), -EINVAL);
	up.flags = 4;
	expect("another flag", update_raw(op, &up, sizeof(up)), -EINVAL);
	up.flags = IORING_RSRC_UPDATE_EXTENDED;
	up.resv2 = 1;
	expect("resv2", update_raw(op, &up, sizeof(up)), -EINVAL);
	up.resv2 = 0;
	up.nr = 0;
	expect("nr 0", update_raw(op, &up, sizeof(up)), -EINVAL);
	up.nr = 1;
	up.offset = 4;
	expect("slot outside the table", update_raw(op, &up, sizeof(up)), -EINVAL);
	up.offset = 0xffffffff;
	expect("offset overflow", update_raw(op, &up, sizeof(up)), -EOVERFLOW);
	up.offset = 0;
	up.data = 8;
	expect("bad pointer", update_raw(op, &up, sizeof(up)), -EFAULT);

	descs[1].flags = 1;
	expect("partial success", regbuf_update(&ring, 0, descs, 2, NULL), 1);

	memset(descs, 0, sizeof(descs));
	expect("an empty slot has no tag", regbuf_update(&ring, 0, descs, 1, &tag), -EINVAL);

	ring_create(&other, 4, 0, 0);
	expect("no table", regbuf_dmabuf(&other, 0, buf.fd, dev), -ENXIO);
	io_uring_queue_exit(&other);

	ring_create(&other, 4, IORING_SETUP_IOPOLL, 1);
	expect("IOPOLL ring", regbuf_dmabuf(&other, 0, buf.fd, dev), -EOPNOTSUPP);
	io_uring_queue_exit(&other);
}

static void test_target(const char *path)
{
	int fd;

	fd = open(path, O_RDWR);
	expect("target without O_DIRECT", regbuf_dmabuf(&ring, 0, buf.fd, fd), -EINVAL);
	close(fd);

	fd = open("/tmp/regular", O_RDWR | O_CREAT, 0600);
	expect("regular file", regbuf_dmabuf(&ring, 0, buf.fd, fd), -EOPNOTSUPP);
	close(fd);
	unlink("/tmp/regular");

	fd = open("/dev/zero", O_RDWR);
	expect("character device", regbuf_dmabuf(&ring, 0, buf.fd, fd), -EOPNOTSUPP);
	close(fd);

	expect("the ring itself", regbuf_dmabuf(&ring, 0, buf.fd, ring.ring_fd), -EOPNOTSUPP);

	fd = dev_open("/dev/nullb0");
	expect("null_blk", regbuf_dmabuf(&ring, 0, buf.fd, fd), -EOPNOTSUPP);
	close(fd);
}

/* What only an exporter made for it has. */
static void test_exporter(void)
{
	struct dmabuf odd;

	if (dmabuf_try_pages(&odd, 0, 0))
		die("a dma-buf of no length");
	expect("zero length", regbuf_dmabuf(&ring, 0, odd.fd, dev), -EFAULT);
	dmabuf_settle(&odd);
	dmabuf_destroy(&odd);

	dmabuf_pages(&odd, 65536, 0);
	dmabuf_set(&odd, "refuse_attach", EPERM);
	expect("attach refused", regbuf_dmabuf(&ring, 0, odd.fd, dev), -EPERM);
	dmabuf_set(&odd, "refuse_attach", 0);
	dmabuf_set(&odd, "refuse_map", EBUSY);
	expect("mapped by the first I/O only", regbuf_dmabuf(&ring, 0, odd.fd, dev), 1);
	expect("map refused", do_rw(&ring, false, dev, 0, 0, 4096, 0, 0), -EBUSY);
	dmabuf_set(&odd, "refuse_map", 0);
	expect("no longer refused", do_rw(&ring, false, dev, 0, 0, 4096, 0, 0), 4096);
	expect("another in its place", regbuf_dmabuf(&ring, 0, buf.fd, dev), 1);
	dmabuf_settle(&odd);
	dmabuf_destroy(&odd);
}

/* A loop device has no device that does DMA, whatever is below it. */
static void test_loop(const char *path)
{
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	int below = dev_open(path);
	char name[32];
	int number, loop;

	if (control < 0)
		die("/dev/loop-control: %m");
	number = ioctl(control, LOOP_CTL_GET_FREE);
	snprintf(name, sizeof(name), "/dev/loop%d", number);
	loop = dev_open(name);
	if (ioctl(loop, LOOP_SET_FD, below))
		die("LOOP_SET_FD: %m");
	expect("loop device", regbuf_dmabuf(&ring, 0, buf.fd, loop), -EOPNOTSUPP);
	ioctl(loop, LOOP_CLR_FD, 0);
	close(loop);
	close(below);
	close(control);
}

struct dm_command {
	struct dm_ioctl dm;
	struct dm_target_spec target;
	char parameters[8];
};

/* The device has one target; it is there as a block device once it has a table. */
static void dm_command(int control, unsigned int number, struct dm_command *command)
{
	*command = (struct dm_command){
		.dm = {
			.version = { DM_VERSION_MAJOR, 0, 0 },
			.data_size = sizeof(*command),
			.data_start = sizeof(command->dm),
			.target_count = number == (unsigned int)DM_TABLE_LOAD,
			.name = "regbuf_errors",
		},
		.target = { .length = 8, .target_type = "error" },
	};
	if (ioctl(control, number, command))
		die("device mapper: %m");
}

static void expect_refused(const char *what, const char *path)
{
	int fd = dev_open(path);

	expect(what, regbuf_dmabuf(&ring, 0, buf.fd, fd), -EOPNOTSUPP);
	close(fd);
}

/* Nor have these, whatever they will be made of: they have nothing below them yet. */
static void test_stacked(void)
{
	int control = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);
	struct dm_command command;
	char name[32];
	int ret;

	if (control < 0)
		die("/dev/mapper/control: %m");
	dm_command(control, DM_DEV_CREATE, &command);
	snprintf(name, sizeof(name), "/dev/dm-%u", (unsigned int)minor(command.dm.dev));
	dm_command(control, DM_TABLE_LOAD, &command);
	expect_refused("device mapper", name);
	dm_command(control, DM_DEV_REMOVE, &command);
	close(control);

	ret = sysfs_write("/sys/module/md_mod/parameters/new_array", "md_errors");
	check(!ret, "a new MD array: %d", ret);
	expect_refused("MD", "/dev/md_errors");
	sysfs_write("/sys/block/md_errors/md/array_state", "clear");
}

/*
 * A command passed through to the drive: reads a page into the slot, at @addr.
 * Not at 0: such a command is taken for one without data.
 */
static int passthrough(struct io_uring *wide, int fd, unsigned int slot, uint64_t addr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(wide);
	struct nvme_uring_cmd *cmd;
	struct io_uring_cqe *cqe;
	int block, ret;

	if (ioctl(dev, BLKSSZGET, &block))
		die("BLKSSZGET: %m");
	memset(sqe, 0, 2 * sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = NVME_URING_CMD_IO;
	sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	sqe->buf_index = slot;
	cmd = (struct nvme_uring_cmd *)sqe->cmd;
	cmd->opcode = 2;	/* Read */
	cmd->nsid = 1;
	cmd->addr = addr;
	cmd->data_len = 4096;
	cmd->cdw12 = 4096 / block - 1;
	io_uring_submit_and_wait(wide, 1);
	if (io_uring_wait_cqe(wide, &cqe))
		die("wait");
	ret = cqe->res;
	io_uring_cqe_seen(wide, cqe);
	return ret;
}

/*
 * Other uses of a registered buffer know nothing of dma-bufs. That the command
 * is a good one is shown on an ordinary buffer.
 */
static void test_passthrough(const char *device)
{
	unsigned char *page = aligned(4096);
	struct io_uring_regbuf_desc desc = {
		.type = IO_REGBUF_TYPE_UADDR,
		.uaddr = (uintptr_t)page,
		.size = 4096,
	};
	struct io_uring wide;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/ng%s", strstr(device, "nvme") + strlen("nvme"));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		die("%s: %m", path);
	ring_create(&wide, 4, IORING_SETUP_SQE128 | IORING_SETUP_CQE32, 2);
	expect("register", regbuf_dmabuf(&wide, 0, buf.fd, dev), 1);
	expect("register memory", regbuf_update(&wide, 1, &desc, 1, NULL), 1);
	expect("command passed through, memory", passthrough(&wide, fd, 1, (uintptr_t)page), 0);
	expect("command passed through, dma-buf", passthrough(&wide, fd, 0, 4096), -EFAULT);
	expect("I/O on that slot", do_rw(&ring, false, dev, 0, 0, 4096, 0, 0), 4096);
	io_uring_queue_exit(&wide);
	close(fd);
	free(page);
}

/* IORING_OP_READV_FIXED and WRITEV_FIXED: refused where there are any, and unknown elsewhere. */
static void test_vectored(void)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&ring);
	struct iovec vec = { .iov_len = 4096 };
	unsigned int op;

	if (!probe)
		die("io_uring_get_probe_ring");
	for (op = 60; op <= 61; op++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
		struct io_uring_cqe *cqe;

		io_uring_prep_rw(op, sqe, dev, &vec, 1, 0);
		sqe->buf_index = 0;
		io_uring_submit_and_wait(&ring, 1);
		if (io_uring_wait_cqe(&ring, &cqe))
			die("wait");
		expect("vectored", cqe->res,
		       io_uring_opcode_supported(probe, op) ? -EOPNOTSUPP : -EINVAL);
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_free_probe(probe);
}

/* The tag of a slot is posted when what is in it has gone. */
static void test_tag(void)
{
	struct io_uring_regbuf_desc desc = good();
	struct io_uring_regbuf_desc empty = { };
	struct __kernel_timespec patience = { .tv_sec = 30 };
	struct io_uring_cqe *cqe;
	uint64_t tag = 0xcafe;

	expect("with a tag", regbuf_update(&ring, 1, &desc, 1, &tag), 1);
	expect("I/O", do_rw(&ring, false, dev, 1, 0, 4096, 0, 0), 4096);
	expect("cleared", regbuf_update(&ring, 1, &empty, 1, NULL), 1);
	if (io_uring_wait_cqe_timeout(&ring, &cqe, &patience))
		die("no tag");
	check(cqe->user_data == tag && !cqe->res, "tag %#llx, %d", cqe->user_data, cqe->res);
	io_uring_cqe_seen(&ring, cqe);
}

static void test_io(const char *path)
{
	unsigned int lbs = 512;
	uint64_t dev_size;
	int fd, flags;

	if (ioctl(dev, BLKSSZGET, &lbs) || ioctl(dev, BLKGETSIZE64, &dev_size))
		die("ioctl: %m");
	expect("register", regbuf_dmabuf(&ring, 0, buf.fd, dev), 1);

	expect("read", do_rw(&ring, false, dev, 0, 0, 4096, 0, 0), 4096);
	expect("write", do_rw(&ring, true, dev, 0, 0, 4096, 0, 0), 4096);
	expect("the last block", do_rw(&ring, false, dev, 0, buf.size - lbs, lbs, 0, 0), lbs);
	expect("nothing", do_rw(&ring, false, dev, 0, 0, 0, 0, 0), 0);
	expect("nothing written", do_rw(&ring, true, dev, 0, 0, 0, 0, 0), 0);
	expect("read past the device", do_rw(&ring, false, dev, 0, 0, 4096, dev_size, 0), 0);
	expect("write past the device", do_rw(&ring, true, dev, 0, 0, 4096, dev_size, 0), -ENOSPC);
	expect("read over the device's end", do_rw(&ring, false, dev, 0, 0, 8192,
						   dev_size - 4096, 0), 4096);

	expect("past the end", do_rw(&ring, false, dev, 0, buf.size, 4096, 0, 0), -EFAULT);
	expect("over the end", do_rw(&ring, false, dev, 0, buf.size - lbs, 2 * lbs, 0, 0), -EFAULT);
	expect("wrapping", do_rw(&ring, false, dev, 0, -4096UL, 8192, 0, 0), -EFAULT);
	expect("unaligned length", do_rw(&ring, false, dev, 0, 0, 100, 0, 0), -EINVAL);
	expect("unaligned offset", do_rw(&ring, false, dev, 0, 1, lbs, 0, 0), -EINVAL);
	expect("unaligned position", do_rw(&ring, false, dev, 0, 0, lbs, 1, 0), -EINVAL);
	expect("no such slot", do_rw(&ring, false, dev, 9, 0, lbs, 0, 0), -EFAULT);
	expect("empty slot", do_rw(&ring, false, dev, 3, 0, lbs, 0, 0), -EFAULT);

	fd = dev_open(path);
	expect("another open", do_rw(&ring, false, fd, 0, 0, 4096, 0, 0), -EBADF);
	expect("another open, write", do_rw(&ring, true, fd, 0, 0, 4096, 0, 0), -EBADF);
	close(fd);
	fd = open("/tmp/regular", O_RDWR | O_CREAT, 0600);
	expect("another file", do_rw(&ring, true, fd, 0, 0, 4096, 0, 0), -EBADF);
	close(fd);
	unlink("/tmp/regular");

	fd = dup(dev);
	expect("dup", do_rw(&ring, false, fd, 0, 0, 4096, 0, 0), 4096);
	close(fd);

	if (io_uring_register_files(&ring, &dev, 1))
		die("io_uring_register_files");
	expect("registered file", do_rw(&ring, false, 0, 0, 0, 4096, 0, IOSQE_FIXED_FILE), 4096);
	io_uring_unregister_files(&ring);

	/* O_DIRECT may go after the registration; the page cache can't serve this memory. */
	flags = fcntl(dev, F_GETFL);
	if (fcntl(dev, F_SETFL, flags & ~O_DIRECT))
		die("F_SETFL: %m");
	expect("no longer O_DIRECT", do_rw(&ring, false, dev, 0, 0, 4096, 0, 0), -EOPNOTSUPP);
	expect("no longer O_DIRECT, write", do_rw(&ring, true, dev, 0, 0, 4096, 0, 0), -EOPNOTSUPP);
	fcntl(dev, F_SETFL, flags);
	expect("O_DIRECT again", do_rw(&ring, false, dev, 0, 0, 4096, 0, 0), 4096);
}

/* A user without CAP_IPC_LOCK is charged, and gets the charge back. */
static void test_memlock(void)
{
	struct io_uring_regbuf_desc empty = { };
	struct rlimit limit = { .rlim_cur = buf.size + MIB / 2, .rlim_max = buf.size + MIB / 2 };
	struct io_uring other;
	struct dmabuf odd;
	int status, i;
	pid_t pid;

	dmabuf_pages(&odd, buf.size, 0);
	dmabuf_set(&odd, "refuse_attach", EPERM);
	pid = fork();
	if (pid) {
		waitpid(pid, &status, 0);
		check(WIFEXITED(status) && !WEXITSTATUS(status), "the child failed: %#x", status);
		dmabuf_destroy(&odd);
		return;
	}
	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setuid(65534))
		die("giving up privileges: %m");
	ring_create(&other, 4, 0, 2);
	for (i = 0; i < 3; i++) {
		expect("within the limit", regbuf_dmabuf(&other, 0, buf.fd, dev), 1);
		expect("over the limit", regbuf_dmabuf(&other, 1, buf.fd, dev), -ENOMEM);
		expect("over the limit: not even attached", regbuf_dmabuf(&other, 1, odd.fd, dev),
		       -ENOMEM);
		expect("cleared", regbuf_update(&other, 0, &empty, 1, NULL), 1);
		expect("a refused one costs nothing", regbuf_dmabuf(&other, 1, odd.fd, dev),
		       -EPERM);
	}
	exit(t_done());
}

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 3)
		die("usage: %s DEVICE [MULTIPATH-HEAD]", argv[0]);
	dmabuf_test_load();
	dev = dev_open(argv[1]);
	dmabuf_create(&buf, MIB);
	ring_create(&ring, 8, 0, 4);

	test_descriptor();
	test_update();
	test_target(argv[1]);
	test_loop(argv[1]);
	test_stacked();
	if (argc == 3)
		expect_refused("multipath head", argv[2]);
	test_exporter();
	test_tag();
	expect("register", regbuf_dmabuf(&ring, 0, buf.fd, dev), 1);
	test_passthrough(argv[1]);
	test_vectored();
	test_io(argv[1]);
	test_memlock();

	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
	nothing_left();
	return t_done();
}

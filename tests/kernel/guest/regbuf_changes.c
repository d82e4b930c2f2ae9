// SPDX-License-Identifier: GPL-2.0-only
/*
 * What becomes of a drive after the registration: a mounted file system keeps
 * part of it in the page cache, or it is formatted with protection information.
 * What can't be done with a dma-buf any more is refused, and when it can be done
 * again, the registration still serves.
 *
 * regbuf_changes mount|format DEVICE
 */
#include <linux/nvme_ioctl.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common.h"

#define LEN		4096U
#define NVME_FORMAT	0x80
/* The formats of QEMU's drives: blocks of 512 bytes, alone or with 8 bytes of metadata. */
#define FORMAT_PLAIN	0
#define FORMAT_8_BYTES	1
#define PI_TYPE_1	(1 << 5)

static struct io_uring ring;
static struct dmabuf buf;
static int dev;

static void expect(const char *what, bool write, int want)
{
	int ret = do_rw(&ring, write, dev, 0, 0, LEN, 0, 0);

	check(ret == want, "%s: %s: %d", what, write ? "write" : "read", ret);
}

/*
 * A file system keeps its superblock in the page cache, so that a direct write
 * to it can't push it out. Ordinary writes go through the page cache then; it
 * can't have this memory.
 */
static void test_mount(const char *device)
{
	const char *dir = "/tmp/regbuf_changes";
	unsigned int i;

	if (mkdir(dir, 0700) || mount(device, dir, "ext4", 0, NULL))
		die("mount: %m");
	expect("mounted", false, LEN);
	for (i = 0; i < 3; i++)
		expect("mounted", true, -EBUSY);
	if (umount(dir) || rmdir(dir))
		die("umount: %m");
	expect("no longer mounted", true, LEN);
}

static void format(unsigned int nsid, unsigned int how)
{
	struct nvme_admin_cmd cmd = { .opcode = NVME_FORMAT, .nsid = nsid, .cdw10 = how };
	int ret = ioctl(dev, NVME_IOCTL_ADMIN_CMD, &cmd);

	if (ret)
		die("formatting as %#x: %d, %m", how, ret);
}

static void test_format(void)
{
	int nsid = ioctl(dev, NVME_IOCTL_ID);

	format(nsid, FORMAT_8_BYTES | PI_TYPE_1);
	expect("protection information", false, -EOPNOTSUPP);
	expect("protection information", true, -EOPNOTSUPP);
	check(regbuf_dmabuf(&ring, 0, buf.fd, dev) == -EOPNOTSUPP, "registered all the same");
	format(nsid, FORMAT_PLAIN);
	expect("plain again", true, LEN);
	expect("plain again", false, LEN);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		die("usage: %s mount|format DEVICE", argv[0]);
	dev = dev_open(argv[2]);
	dmabuf_create(&buf, LEN);
	ring_create(&ring, 8, 0, 1);
	if (regbuf_dmabuf(&ring, 0, buf.fd, dev) != 1)
		die("register");
	expect("as it was", false, LEN);
	if (!strcmp(argv[1], "mount"))
		test_mount(argv[2]);
	else
		test_format();
	io_uring_queue_exit(&ring);
	dmabuf_destroy(&buf);
	close(dev);
	nothing_left();
	return t_done();
}

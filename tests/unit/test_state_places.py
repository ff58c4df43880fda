"""Which state files lie on another machine, by a made-up list of mounts."""

from pathlib import Path, PurePosixPath

import pytest

from lvrestore.state.places import mount_of, network_warning

MOUNTINFO = r"""22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /home rw shared:2 - nfs4 files:/home rw,vers=4.2
24 23 8:2 / /home/local rw shared:3 - xfs /dev/sdb1 rw
25 22 0:22 / /mnt/my\040share rw - cifs //server/share rw
26 22 0:23 / /mnt/remote rw - fuse.sshfs host:/ rw
27 22 0:24 / /mnt/c rw - 9p C:\134 rw
28 22 0:25 / /mnt/layered rw - ext4 /dev/sdc1 rw
29 28 0:26 / /mnt/layered rw - nfs files:/x rw
30 22 0:27 / /mnt/local-fuse rw - fuse.bindfs /x rw
31 22 0:28 / /home2 rw - tmpfs tmpfs rw
a line that is none
"""


@pytest.mark.parametrize(
    ("path", "kind", "is_network"),
    [
        ("/var/lib/state.db", "ext4", False),
        ("/home/ann/.local/state/x.db", "nfs4", True),
        ("/home/local/x.db", "xfs", False),
        ("/homes/x.db", "ext4", False),
        ("/home2/x.db", "tmpfs", False),
        ("/mnt/my share/x.db", "cifs", True),
        ("/mnt/remote/deep/er/x.db", "fuse.sshfs", True),
        ("/mnt/c/x.db", "9p", True),
        ("/mnt/layered/x.db", "nfs", True),
        ("/mnt/local-fuse/x.db", "fuse.bindfs", False),
    ],
)
def test_the_mount_that_a_path_is_on(path, kind, is_network):
    mount = mount_of(PurePosixPath(path), MOUNTINFO)
    assert (mount.kind, mount.is_network) == (kind, is_network)


def test_the_warning_says_what_to_do(tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        f"1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / {tmp_path.resolve()} rw - nfs4 a:/b rw\n"
    )
    said = network_warning(tmp_path / "state.db", mounts)
    assert "nfs4" in said
    assert "--state" in said
    link = tmp_path.parent / f"{tmp_path.name}-link.db"
    link.symlink_to(tmp_path / "state.db")
    assert network_warning(link, mounts) is not None
    assert network_warning(Path("/somewhere/else.db"), mounts) is None


def test_nothing_is_said_where_nobody_knows(tmp_path):
    assert network_warning(tmp_path / "state.db", tmp_path / "absent") is None
    assert mount_of(PurePosixPath("/x"), "") is None

"""Where a state file lies: SQLite and file locks can be trusted on a disk of this machine, not on somebody else's."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import msgspec

from lvrestore.settings import default_state_path

# Of these either locks or the order of writes are not what SQLite needs.
NETWORK_FILE_SYSTEMS = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "davfs",
        "drvfs",
        "gfs2",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs3",
        "nfs4",
        "ocfs2",
        "orangefs",
        "smb",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "vmhgfs",
        "virtiofs",
    }
)
# Programs that make a file system out of a remote one: `fuse.sshfs`.
FUSE = "fuse."
LOCAL_FUSE = frozenset(
    {"fuse.bindfs", "fuse.ext2", "fuse.fuse-overlayfs", "fuse.gocryptfs", "fuse.ntfs", "fuse.encfs"}
)
MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


class Mount(msgspec.Struct, frozen=True):
    """Where something is mounted, and what kind of file system it is."""

    point: str
    kind: str

    @property
    def is_network(self) -> bool:
        """Whether the files are kept by another machine."""
        if self.kind.startswith(FUSE):
            return self.kind not in LOCAL_FUSE
        return self.kind in NETWORK_FILE_SYSTEMS


def mount_of(path: PurePosixPath, mountinfo: str) -> Mount | None:
    """The mount that an absolute path without links lies on, by the text of `/proc/self/mountinfo`."""
    found: Mount | None = None
    for line in mountinfo.splitlines():
        mount = _mount(line)
        # The last of several on one place covers those before it.
        if mount is not None and path.is_relative_to(mount.point):
            found = mount if found is None or len(mount.point) >= len(found.point) else found
    return found


def network_warning(path: Path, mounts: Path = MOUNTS) -> str | None:
    """What to say about a state file that another machine keeps; None where all is well, or nobody knows."""
    try:
        text = mounts.read_text()
    except OSError:
        return None
    mount = mount_of(PurePosixPath(path.absolute().resolve()), text)
    if mount is None or not mount.is_network:
        return None
    return (
        f"the state file {path} is on a network file system ({mount.kind} on {mount.point}), where locks and writes "
        "are not reliable: give --state PATH on a local disk"
    )


def _mount(line: str) -> Mount | None:
    """One line: ids, root, mount point, options, then after ` - ` the kind of file system."""
    before, _, after = line.partition(" - ")
    fields, kind = before.split(" "), after.partition(" ")[0]
    if len(fields) < 5 or not kind:  # noqa: PLR2004 - the mount point is the fifth
        return None
    return Mount(_ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4]), kind)


def state_file(instance: str, base_url: str) -> Path:
    """The state file of an instance, by the name it calls itself; the URL's name leads there too.

    `status` and `failures` find the file by the URL alone, without asking the instance for its name.
    """
    path, alias = default_state_path(instance), default_state_path(base_url)
    if alias.is_file() and not alias.is_symlink():
        return alias  # begun when the instance did not say its name; two files would know half each
    if alias != path and not alias.exists():
        alias.parent.mkdir(parents=True, exist_ok=True)
        alias.unlink(missing_ok=True)
        alias.symlink_to(path.name)
    return path

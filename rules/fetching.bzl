"""Files that a rule fetches, as `hermes lock` has locked them."""

def files_lock(ctx, urls):
    """Says what `hermes lock` is to download and lock for a rule with the attribute `lock`.

    Args:
      ctx: that of the function `lock` of the rule.
      urls: the addresses of each file, tried in order, by its name.

    Returns:
      a struct, which the function `lock` of the rule returns.
    """
    return struct(kind = "files", file = ctx.attr.lock, urls = urls)

def fetched_files(ctx, urls, executable = False):
    """Fetches the files of the lock of a rule that has the attribute `lock`.

    Args:
      ctx: that of the rule.
      urls: what the rule gives to `files_lock`; a lock that was made for something else is refused.
      executable: whether the files are programs.

    Returns:
      a dict from the names of the files to the files.
    """
    lock = ctx.read_yaml(ctx.file.lock)
    again = "run `hermes lock %s`, and commit what it writes" % ctx.label
    if type(lock) != "dict" or lock.get("version") != 1 or type(lock.get("files")) != "dict":
        fail("%s is not a lock of files" % ctx.file.lock.path, attr = "lock", hint = again)
    found = {}
    for name, addresses in urls.items():
        row = lock["files"].get(name)
        if type(row) != "dict" or row.get("urls") != addresses:
            fail("%s is stale: it has not %s from %s" % (ctx.file.lock.path, name, ", ".join(addresses)), attr = "lock", hint = again)
        found[name] = ctx.actions.fetch(name, urls = addresses, sha256 = row["sha256"], size = row["size"], executable = executable)
    return found

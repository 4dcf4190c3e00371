# files: no, buildah makes the folders
FROM base
VOLUME ["/with space", "/data"]

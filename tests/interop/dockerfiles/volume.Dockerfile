# files: no, buildah makes the folders
FROM base
VOLUME /data /more

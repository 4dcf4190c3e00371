# escape=`
# buildah: it takes the backslash for the escape character, whatever the directive says
FROM base
ENV PATHS=C:\x\ TICK=a`$b

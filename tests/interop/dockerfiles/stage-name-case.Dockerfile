# buildah: it distinguishes case
FROM base AS Build
RUN echo x > /x
FROM base
COPY --from=build /x /x

# The bundle of `make build` on a base without shell or package manager, whose entry point is node. The heap stays at 60 % of the container's
# memory limit. The source map is there for people; Node does not load it, because that costs some 120 MiB (NODE_OPTIONS=--enable-source-maps does).
# Name the base: docker build --build-arg BASE=<your registry>/distroless/nodejs24-debian13:nonroot .
ARG BASE
FROM ${BASE}
WORKDIR /app
COPY dist/operator.mjs dist/operator.mjs.map ./
ENV NODE_ENV=production \
    NODE_OPTIONS="--max-old-space-size-percentage=60"
USER 65532:65532
EXPOSE 8080
CMD ["operator.mjs"]

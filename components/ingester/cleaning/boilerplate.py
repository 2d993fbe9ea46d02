"""Removes boilerplate lines of web pages, in English and Chinese.

Only whole, short lines are removed: a paragraph that mentions a privacy policy is
kept, a banner is not.
"""

from __future__ import annotations

import re
from collections import Counter


def _lines(lines: str) -> frozenset[str]:
    return frozenset(lines.split("|"))


MAX_CHARS = 200
"""Longer lines are prose, whatever they mention."""
MAX_CJK_CHARS = 80
"""The same for lines that hold a Chinese phrase."""

_PHRASES = (
    "terms of use",
    "terms of service",
    "privacy policy",
    "cookie policy",
    "uses cookies",
    "use of cookies",
    "use cookies",
    "accept cookies",
    "accept all cookies",
    "all rights reserved",
    "enable javascript",
    "javascript is disabled",
    "javascript is required",
    "requires javascript",
    "subscribe to our",
    "subscribe now",
    "sign up for our",
    "join our mailing list",
    "follow us on",
    "share this",
    "share on facebook",
    "share on twitter",
    "skip to content",
    "skip to main content",
)
"""A short line that holds one of these, case folded, is boilerplate; the first ones
are those of C4 (Raffel et al. 2020)."""
_CJK_PHRASES = (
    "版权所有",
    "隐私政策",
    "用户协议",
    "网站地图",
    "点击查看",
    "查看更多",
    "阅读全文",
    "返回顶部",
    "返回首页",
    "分享到",
    "扫码关注",
    "扫描二维码",
    "微信公众号",
    "责任编辑",
    "举报电话",
    "禁止转载",
    "不得转载",
    "公网安备",
    "ICP备",
    "ICP证",
)
_WHOLE_LINES = _lines(
    "read more|learn more|show more|load more|view more|load more comments|click here"
    "|continue reading|leave a comment|leave a reply|post a comment|back to top"
    "|print this page|email this page|tweet this|advertisement|advertisements"
    "|sign in|sign up|log in|older posts|newer posts|previous post|next post"
    "|previous page|next page|previous article|next article|related posts"
    "|related articles|subscribe|相关阅读|相关推荐|相关新闻|相关链接|推荐阅读|上一篇"
    "|下一篇|上一页|下一页|打印本页|加入收藏|设为首页"
)
"""A line equal to one of these, but for case and punctuation, is boilerplate."""
_OPENINGS = ("click here to ", "click here for ", "上一篇：", "下一篇：", "责编：")
_MAX_OPENED_CHARS = 60
_EDGES = " \t.,:;!>»›→…[]()-|·•。：！【】（）"
_COPYRIGHT = re.compile(
    r"(?:©|\(c\)|copyright\b)[ \t]*(?:©|\(c\))?[^\n]{0,60}?\b(?:19|20)\d\d\b"
)
_MAX_FRAME_CHARS = 120
_BARS = re.compile(r"[|·•»›→]|[ \t][/>][ \t]")
_MARKS = ("|", "·", "•", "»", "›", "→", " / ", " > ", "©", "(c)", "copyright")
"""A line without any of these is neither a bar nor a copyright notice."""
_BAR_ITEMS = _lines(
    "home|about|about us|contact|contact us|login|log in|sign in|sign up|register"
    "|account|my account|search|help|faq|news|blog|products|services|support|careers"
    "|jobs|press|shop|store|cart|checkout|download|downloads|privacy|terms|sitemap"
    "|site map|gallery|events|forum|archive|archives|categories|menu|main menu|feedback"
    "|advertise|subscribe|newsletter|legal|imprint|disclaimer|accessibility|cookies"
    "|首页|主页|关于我们|联系我们|登录|注册|新闻|产品|服务|帮助|搜索|论坛|博客|下载"
    "|招聘|加入我们|网站地图|意见反馈|设为首页|加入收藏|广告服务|法律声明|隐私"
)
_MAX_ITEM_CHARS = 25


def strip(text: str, removed: Counter[str]) -> str:
    """Returns the text without its boilerplate lines; counts ``boilerplate_line``.

    Boilerplate are lines with a phrase of cookie banners, policies, sharing,
    subscribing or scripts; copyright notices; lines such as "Read more"; and navigation
    bars of three or more short items, two of them known ("Home | About | Contact").
    """
    folded = text.lower()
    marks = [mark for mark in _MARKS if mark in folded]
    phrases = [phrase for phrase in _PHRASES if phrase in folded]
    cjk_phrases = (
        [] if text.isascii() else [phrase for phrase in _CJK_PHRASES if phrase in text]
    )
    lines = text.split("\n")
    remaining = [
        line
        for line, lower in zip(lines, folded.split("\n"), strict=True)
        if len(line) > MAX_CHARS
        or not (
            _is_notice(lower)
            or (phrases and _holds(lower, phrases))
            or (
                cjk_phrases and len(line) <= MAX_CJK_CHARS and _holds(line, cjk_phrases)
            )
            or (marks and _holds(lower, marks) and _is_frame(lower.strip()))
        )
    ]
    if len(remaining) == len(lines):
        return text
    removed["boilerplate_line"] += len(lines) - len(remaining)
    return "\n".join(remaining)


def _holds(line: str, phrases: list[str]) -> bool:
    for phrase in phrases:  # noqa: SIM110 - a generator takes twice as long
        if phrase in line:
            return True
    return False


def _is_notice(line: str) -> bool:
    if len(line) > _MAX_OPENED_CHARS:
        return False
    return line.strip(_EDGES) in _WHOLE_LINES or line.lstrip(_EDGES).startswith(
        _OPENINGS
    )


def _is_frame(line: str) -> bool:
    """Returns whether a line is a copyright notice or a bar."""
    if len(line) > _MAX_FRAME_CHARS:
        return False
    if _COPYRIGHT.match(line):
        return True
    items = [item for part in _BARS.split(line) if (item := part.strip())]
    if len(items) < 3 or any(len(item) > _MAX_ITEM_CHARS for item in items):
        return False
    return sum(item in _BAR_ITEMS for item in items) >= 2

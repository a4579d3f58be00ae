"""64 short phrases as people write them under videos: 16 languages, four each."""

PHRASES: dict[str, tuple[str, str, str, str]] = {
    "en": ("wait for the end of this", "you need to try this recipe", "how I lost ten pounds", "my morning routine"),
    "de": ("das musst du probieren", "mein Tag in Berlin", "so geht das ganz einfach", "ich kann das nicht glauben"),
    "fr": ("ma routine du matin", "vous devez essayer ça", "je ne peux pas y croire", "la recette la plus facile"),
    "es": ("mira lo que pasó después", "mi rutina de la mañana", "no puedo creerlo", "la receta más fácil del mundo"),
    "pt": ("você precisa ver isso", "minha rotina da manhã", "não acredito nisso", "a receita mais fácil do mundo"),
    "it": (
        "guarda cosa è successo",
        "la mia routine mattutina",
        "non ci posso credere",
        "questa ricetta è facilissima",
    ),
    "tr": ("bunu mutlaka denemelisin", "sabah rutinim böyle", "buna inanamıyorum", "dünyanın en kolay tarifi"),
    "pl": (
        "musisz tego spróbować",
        "moja poranna rutyna",
        "nie mogę w to uwierzyć",
        "najłatwiejszy przepis na świecie",
    ),
    "ru": ("посмотри что случилось", "мой утренний ритуал", "не могу в это поверить", "самый простой рецепт"),
    "ar": ("شاهد ماذا حدث بعد ذلك", "روتيني الصباحي", "لا أستطيع أن أصدق هذا", "أسهل وصفة في العالم"),
    "hi": ("देखिए आगे क्या हुआ", "मेरी सुबह की दिनचर्या", "मुझे विश्वास नहीं हो रहा", "सबसे आसान रेसिपी"),
    "id": ("kamu harus coba ini", "rutinitas pagi aku", "aku tidak percaya ini", "resep paling mudah di dunia"),
    "vi": ("bạn phải thử cái này", "thói quen buổi sáng của tôi", "không thể tin được", "công thức dễ nhất thế giới"),
    "ja": ("これは絶対に試して", "私の朝のルーティン", "信じられない", "世界一簡単なレシピ"),
    "ko": ("이거 꼭 해보세요", "나의 아침 루틴", "믿을 수가 없어", "세상에서 제일 쉬운 레시피"),
    "zh": ("你一定要试试这个", "我的早晨日常", "真不敢相信", "世界上最简单的食谱"),
}
